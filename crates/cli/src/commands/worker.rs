//! `fratmae worker`: joins a run by the coordinator's address.

use anyhow::{Result, bail};
use clap::Args;
use fratmae_telemetry::PhaseLedger;
use fratmae_worker::{Ended, Options, WorkerError};

use crate::{exit::Stopped, failure::ToldElsewhere, lines::write_line, signals::Signals};

/// Joins a run as a worker.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae worker --coordinator http://10.0.0.1:7000
  fratmae worker --coordinator http://10.0.0.1:7000 --listen 10.0.0.2:0 --name node-2
  srun fratmae worker --coordinator http://10.0.0.1:7000 --place $SLURM_LOCALID")]
pub(crate) struct Arguments {
    /// Where the coordinator is reached, as it printed it
    #[arg(long, value_name = "http://HOST:PORT")]
    pub(crate) coordinator: String,
    /// Address at which the other workers reach this one; without it the one this host shows to the coordinator
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) listen: String,
    /// Name shown in messages; without it the host and the process
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Number among the workers of this machine, which take its GPUs in turn
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) place: usize,
    /// Compute threads; 0 takes every core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Started by `pretrain`, which tells for all its workers why they were stopped
    #[arg(long, hide = true)]
    pub(crate) launched: bool,
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, ledger: PhaseLedger) -> Result<()> {
    let options = Options {
        coordinator: arguments.coordinator.clone(),
        listen: arguments.listen.clone(),
        name: arguments.name.clone().unwrap_or_else(default_name),
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
            write_line(&mut std::io::stderr(), LEAVING);
        }
    };
    let ended = tokio::select! {
        biased;
        () = signals.at_once() => bail!(Stopped::at_once("left at once; the others go on without this worker")),
        ended = fratmae_worker::run(options, asked) => ended?,
    };
    match ended {
        Ended::Done => Ok(()),
        Ended::Stopped => bail!(Stopped::resumable(
            "the run was stopped; start this worker again when it resumes"
        )),
    }
}

/// The answer to the first request.
const LEAVING: &str =
    "leaving after the step at hand (workers.grace_s at most); press Ctrl-C again to leave now";

fn default_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "worker",
        host => host,
    };
    format!("{host}-{}", std::process::id())
}
