//! `fratmae pretrain`: the whole job on this machine, from one command.

pub(crate) mod data;
pub(crate) mod memory;

use anyhow::{Context as _, Result};
use clap::Args;
use fratmae_config::Config;
use fratmae_coordinator::{Launcher, Listener};

use crate::{
    commands::{
        fork::Forking,
        job::{Job, Named},
        page::Paging,
        run_coordinator::{OutputMode, Viewers, Workers, run_coordinator},
    },
    exporting::{Exporting, MetricsOptions},
    identity::KeysOption,
    logging::Logging,
    output::Output,
    terminal,
    worker_lines::WorkerLines,
};

/// Trains on this machine: prepares the data if necessary, starts a coordinator and its workers, and prints the result.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae pretrain quickstart                 built in: phantoms, two minutes
  fratmae pretrain job.toml --set train.lr=2e-4
  fratmae pretrain quickstart --workers 4 --run runs/four
  fratmae pretrain base --data s3://bucket/autopet --run s3://bucket/run-1
  fratmae pretrain job.toml --fork runs/a --run runs/b --set train.steps=2000

`fratmae config > mine.toml` writes a job file to begin with.

Run a stopped run's command again to resume it; a finished run prints its result again.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    pub(crate) job: Job,
    #[command(flatten)]
    pub(crate) forking: Forking,
    #[command(flatten)]
    viewers: Viewers,
    #[command(flatten)]
    pub(crate) paging: Paging,
    #[command(flatten)]
    pub(crate) exporting: MetricsOptions,
    /// Replace the coordinator that leads the run even if it still answers; without this the command is refused
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Print the result as one JSON object, the last line of standard output
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(
    arguments: &Arguments,
    (logging, keys): (&Logging, &KeysOption),
    exporting: &Exporting,
    output: &mut Output,
) -> Result<()> {
    let config = arguments.job.resolve_with(&arguments.named, None, None)?;
    let (quiet, json) = (!logging.shows_progress(), arguments.json);
    // Before the launcher and after all else: the last lines of workers are written when it ends.
    let lines = terminal::draws().then(WorkerLines::start).transpose()?;
    let launcher = launcher(&config, (logging, keys), lines.as_ref())?;
    run_coordinator(
        (config, arguments.forking.resolve()?),
        Workers::Here(launcher),
        arguments.take_over,
        OutputMode {
            quiet,
            json,
            viewers: &arguments.viewers,
            page: &arguments.paging,
        },
        (exporting, &arguments.exporting),
        output,
    )
    .await
}

/// How the workers are started: this same program, with its options for logging.
///
/// With a bar on the terminal this process writes their lines for them. Elsewhere they write where it does, so that
/// nothing they log is lost where they outlive it.
fn launcher(
    config: &Config,
    (logging, keys): (&Logging, &KeysOption),
    lines: Option<&WorkerLines>,
) -> Result<Launcher> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut arguments = match lines {
        Some(_) => logging.as_json().as_typed(),
        None => logging.as_typed(),
    };
    arguments.extend(keys.as_typed());
    Ok(Launcher {
        program,
        workers: workers(config),
        threads: threads_here(config),
        arguments,
        options: host_options(config),
        restarts_per_hour: config.workers.restarts_per_hour,
        listener: lines.map(|lines| Listener::new(lines.sink())),
    })
}

/// How many workers are started: those to begin with, else all that there may be.
fn workers(config: &Config) -> usize {
    match config.launch.workers {
        0 => config.workers.count,
        wanted => wanted.clamp(config.workers.least(), config.workers.count),
    }
}

/// Compute threads of each worker of a job on this machine.
pub(crate) fn threads_here(config: &Config) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    threads(config, cores)
}

/// What the job says of this host, as the options of a worker.
fn host_options(config: &Config) -> Vec<String> {
    let host = config.host();
    let given = host.given().into_iter();
    given
        .map(|(_, value, option)| format!("{option}={value}"))
        .collect()
}

/// Compute threads of each worker: as many as asked, else an even share of the cores.
fn threads(config: &Config, cores: usize) -> usize {
    match config.workers.threads {
        0 => (cores / config.workers.count.max(1)).max(1),
        asked => asked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_of_this_machine_are_told_what_the_job_says_of_it() {
        let mut config = Config::default();
        assert!(host_options(&config).is_empty());
        config.data.cache_dir = "/scratch/of mine".to_owned();
        config.collective.nccl_library = "/opt/nccl.so".to_owned();
        assert_eq!(
            host_options(&config),
            [
                "--nccl-library=/opt/nccl.so",
                "--cache-dir=/scratch/of mine"
            ]
        );
    }

    #[test]
    fn as_many_workers_are_started_as_the_job_begins_with() {
        let mut config = Config::default();
        assert_eq!(workers(&config), 2);
        (config.workers.count, config.workers.min) = (4, 2);
        for (wanted, started) in [(0, 4), (3, 3), (9, 4), (1, 2)] {
            config.launch.workers = wanted;
            assert_eq!(workers(&config), started);
        }
    }

    #[test]
    fn workers_share_the_cores_unless_told_otherwise() {
        let mut config = Config::default();
        for (workers, cores, share) in [(2, 8, 4), (3, 8, 2), (8, 2, 1)] {
            config.workers.count = workers;
            assert_eq!(threads(&config, cores), share);
        }
        config.workers.threads = 5;
        assert_eq!(threads(&config, 8), 5);
    }
}
