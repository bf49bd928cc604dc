//! `fratmae worker`: joins a run by the coordinator's address.

use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use fratmae_telemetry::{PhaseLedger, describe};
use fratmae_worker::{Ended, Options, WorkerError};
use serde::Serialize;

use crate::{exit::Stopped, failure::ToldElsewhere, output::Output, signals::Signals, terminal};

/// Joins a run as a worker.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae worker --coordinator http://10.0.0.1:5600
  fratmae worker --coordinator http://10.0.0.1:5600 --name node-2
  srun fratmae worker --coordinator http://10.0.0.1:5600 --place $SLURM_LOCALID")]
pub(crate) struct Arguments {
    /// Address of the coordinator, as it printed it
    #[arg(long, value_name = "http://HOST:PORT")]
    pub(crate) coordinator: String,
    /// Address other workers connect to [default: detected]
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) listen: String,
    /// Name shown in messages [default: HOST-PID]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Index of this worker on its machine; selects the GPU
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) place: usize,
    /// Compute threads; 0: all cores
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Started by `pretrain`, which reports for all its workers why they were stopped
    #[arg(long, hide = true)]
    pub(crate) launched: bool,
    /// Print one JSON object when the worker has left the run
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Serialize)]
struct Left<'a> {
    worker: &'a str,
    host: &'a str,
    coordinator: &'a str,
    seconds: f64,
}

pub(crate) async fn run(
    arguments: &Arguments,
    quiet: bool,
    ledger: PhaseLedger,
    output: &mut Output,
) -> Result<()> {
    let started = Instant::now();
    let host = host();
    let name = arguments.name.clone();
    let name = name.unwrap_or_else(|| format!("{host}-{}", std::process::id()));
    describe("worker", name.as_str());
    describe("host", host.as_str());
    let options = Options {
        coordinator: arguments.coordinator.clone(),
        listen: arguments.listen.clone(),
        name: name.clone(),
        place: arguments.place,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ledger,
    };
    if arguments.launched {
        let signals = Signals::catch_as_child()?;
        return match fratmae_worker::run(options, signals.asked()).await {
            Err(WorkerError::Stopped { .. }) => bail!(ToldElsewhere),
            ended => Ok(ended.map(drop)?),
        };
    }
    let signals = Signals::catch_in_order()?;
    let asked = signals.asked();
    let asked = async move {
        asked.await;
        if !quiet {
            terminal::note(LEAVING);
        }
    };
    let ended = tokio::select! {
        biased;
        () = signals.at_once() => bail!(Stopped::at_once("left at once; the others go on without this worker")),
        ended = fratmae_worker::run(options, asked) => ended?,
    };
    if ended == Ended::Stopped {
        bail!(Stopped::resumable(
            "the run was stopped; start this worker again when it resumes"
        ));
    }
    if arguments.json {
        output.json(&Left {
            worker: &name,
            host: &host,
            coordinator: &arguments.coordinator,
            seconds: started.elapsed().as_secs_f64(),
        })?;
    }
    Ok(())
}

/// The answer to the first request.
const LEAVING: &str =
    "leaving after the step at hand (workers.grace_s at most); press Ctrl-C again to leave now";

fn host() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match host.trim() {
        "" => "worker".to_owned(),
        host => host.to_owned(),
    }
}
