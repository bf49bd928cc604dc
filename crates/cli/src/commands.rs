//! The commands, one file each. Here is only which one runs, and the runtime that those which wait on I/O share.

pub(crate) mod audit;
pub(crate) mod chaos;
pub(crate) mod checkpoint;
pub(crate) mod claim;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod convert;
pub(crate) mod coordinator;
pub(crate) mod dataset;
pub(crate) mod doctor;
pub(crate) mod ending;
pub(crate) mod export;
pub(crate) mod fork;
pub(crate) mod goodput;
pub(crate) mod job;
pub(crate) mod keys;
pub(crate) mod launch;
pub(crate) mod model;
pub(crate) mod owner;
pub(crate) mod page;
pub(crate) mod painting;
pub(crate) mod phantom;
pub(crate) mod prepare;
pub(crate) mod pretrain;
pub(crate) mod replay;
pub(crate) mod run_coordinator;
pub(crate) mod run_meter;
pub(crate) mod run_progress;
pub(crate) mod run_weights;
pub(crate) mod serve;
pub(crate) mod sizes;
pub(crate) mod status;
pub(crate) mod steps;
pub(crate) mod target;
pub(crate) mod tensorboard;
pub(crate) mod top;
pub(crate) mod trace;
pub(crate) mod weights_dir;
pub(crate) mod worker;

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use fratmae_telemetry::Layered;

use crate::{
    arguments::{Arguments, Command},
    exporting::Exporting,
    identity,
    logging::Logging,
    output::Output,
    terminal, threads,
};

/// Runs the command that was typed.
///
/// # Errors
/// Whatever the command failed of.
pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let exporting = Exporting::of(&arguments.command);
    start_log(&arguments.logging, exporting.layers())?;
    arguments.keys.take_up(&arguments.command)?;
    if let Some(n) = computing_threads(&arguments.command) {
        threads::start_pool(n)?;
    }
    let (logging, quiet) = (&arguments.logging, !arguments.logging.shows_progress());
    let started = (logging, &arguments.keys);
    let ended = match &arguments.command {
        Command::Phantom(arguments) => phantom::run(arguments, quiet, output),
        Command::Prepare(arguments) => wait_for(prepare::run(arguments, quiet, output)),
        Command::Convert(arguments) => wait_for(convert::run(arguments, output)),
        Command::Pretrain(arguments) => {
            wait_for(pretrain::run(arguments, started, &exporting, output))
        }
        Command::Config(arguments) => config::run(arguments, output),
        Command::Worker(arguments) => wait_for(worker::run(arguments, quiet, &exporting, output)),
        Command::Coordinator(arguments) => {
            wait_for(coordinator::run(arguments, quiet, &exporting, output))
        }
        Command::Keys(arguments) => keys::run(arguments, output),
        Command::Launch(arguments) => wait_for(launch::run(arguments, output)),
        Command::Status(arguments) => wait_for(status::run(arguments, output)),
        Command::Goodput(arguments) => wait_for(goodput::run(arguments, output)),
        Command::Top(arguments) => wait_for(top::run(arguments, output)),
        Command::Trace(arguments) => wait_for(trace::run(arguments, quiet, output)),
        Command::Tensorboard(arguments) => wait_for(tensorboard::run(arguments, output)),
        Command::Serve(arguments) => wait_for(serve::run(arguments, output)),
        Command::Doctor(arguments) => wait_for(doctor::run(arguments, quiet, output)),
        Command::Dataset(arguments) => wait_for(dataset::run(arguments, quiet, output)),
        Command::Checkpoint(arguments) => wait_for(checkpoint::run(arguments, quiet, output)),
        Command::Chaos(arguments) => wait_for(chaos::run(arguments, quiet, output)),
        Command::Replay(arguments) => wait_for(replay::run(arguments, quiet, output)),
        Command::Audit(arguments) => wait_for(audit::run(arguments, quiet, output)),
        Command::Export(arguments) => wait_for(export::run(arguments, quiet, output)),
        Command::Model(arguments) => model::run(arguments, output),
        Command::Completions(arguments) => {
            completions::run(arguments, Arguments::command(), output)
        }
    };
    exporting.end();
    ended
}

/// How many threads a command computes with; none if it computes nothing.
const fn computing_threads(command: &Command) -> Option<usize> {
    match command {
        Command::Status(_)
        | Command::Goodput(_)
        | Command::Serve(_)
        | Command::Top(_)
        | Command::Trace(_)
        | Command::Tensorboard(_)
        | Command::Completions(_)
        | Command::Keys(_)
        | Command::Chaos(_) => None,
        Command::Worker(worker) => Some(worker.threads),
        _ => Some(0),
    }
}

fn start_log(logging: &Logging, layers: Vec<Layered>) -> Result<()> {
    terminal::start(logging.log);
    let filter = logging.filter();
    let hidden = logging.hidden();
    Ok(fratmae_telemetry::init(
        filter.as_deref(),
        hidden,
        layers,
        terminal::log,
    )?)
}

/// How long the end of a command waits for its threads. What still blocks then, such as a read of a file system that
/// hangs, ends with the process. Not to wait at all is not safe: glibc's pthread_detach reads the thread's memory after
/// the thread may have freed it (bug 19951).
const AT_THE_END: Duration = Duration::from_secs(1);

/// Runs work that may wait for long, such as reading a whole file from a store, on a thread of its own; a command that
/// is stopped does not wait for it.
///
/// # Errors
/// The system gives no thread, or the work panicked.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("apart".to_owned());
    let thread = thread
        .spawn(move || sender.send(work()))
        .context("cannot start a thread")?;
    let result = receiver.await.context("a thread ended without a result");
    // It is at its end; letting go of a thread that is just ending is not safe (see `AT_THE_END`).
    drop(thread.join());
    result
}

/// Runs `future` to its end on a runtime of its own.
///
/// # Errors
/// The future's, or the system's when it gives no threads.
pub(crate) fn wait_for<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = threads::runtime()?;
    let ended = runtime.block_on(async {
        identity::keep();
        future.await
    });
    runtime.shutdown_timeout(AT_THE_END);
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::fs::OpenOptionsExt as _, time::Instant};

    #[test]
    fn a_command_ends_although_a_read_of_its_hangs() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let opened = pipe.clone();
        let began = Instant::now();
        let ended = wait_for(async {
            // Nobody writes to the pipe: it is as a file system that does not answer.
            let read = tokio::task::spawn_blocking(move || std::fs::read(opened));
            drop(read);
            tokio::task::yield_now().await;
            Ok(7)
        });
        assert_eq!(ended.unwrap(), 7);
        assert!(began.elapsed() < 10 * AT_THE_END, "{:?}", began.elapsed());
        // Lets the thread end.
        let _ = std::fs::OpenOptions::new()
            .write(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(&pipe);
    }
}
