//! `fratmae worker`: joins a run by the coordinator's address.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fratmae_network::Endpoint;
use fratmae_telemetry::PhaseLedger;
use fratmae_worker::{Options, WorkerError};

use crate::{
    commands::{
        chaos::time,
        lead::{leave_requested, stop_requested},
    },
    failure::ToldElsewhere,
};

/// Names the coordinator where the command line does not.
const VARIABLE: &str = "FRATMAE_COORDINATOR";

/// Joins a run as a worker.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae worker --coordinator http://10.0.0.1:5600
  fratmae worker --coordinator 10.0.0.1:5600 --wait 10m --name node-2
  fratmae worker --coordinator 10.0.0.1:5600 --listen 0.0.0.0:5700 --advertise 10.0.0.2
  srun fratmae worker --coordinator http://10.0.0.1:5600 --place $SLURM_LOCALID")]
pub(crate) struct Arguments {
    /// Where the coordinator is reached, as it printed it [env: FRATMAE_COORDINATOR]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) coordinator: Option<String>,
    /// How long to wait for the coordinator to be reachable, such as 30s or 10m
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10s")]
    pub(crate) wait: Duration,
    /// Address to listen at for the other workers [default: this host's address towards the coordinator]
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) listen: String,
    /// Address that the other workers are told, if it is not the one to listen at
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) advertise: String,
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

pub(crate) async fn run(arguments: &Arguments, ledger: PhaseLedger) -> Result<()> {
    let coordinator = coordinator(arguments.coordinator.as_deref())?;
    if arguments.threads > 0 {
        // Matrix products, optimizer and loader share this one pool.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads);
        pool.build_global()
            .context("cannot start the compute threads")?;
    }
    let options = Options {
        coordinator,
        wait: arguments.wait,
        listen: arguments.listen.clone(),
        advertise: arguments.advertise.clone(),
        is_told: !arguments.launched,
        name: arguments.name.clone().unwrap_or_else(default_name),
        place: arguments.place,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ledger,
    };
    if !arguments.launched {
        return Ok(fratmae_worker::run(options, stop_requested()?).await?);
    }
    match fratmae_worker::run(options, leave_requested()?).await {
        Err(WorkerError::Stopped { .. }) => bail!(ToldElsewhere),
        ended => Ok(ended?),
    }
}

/// The coordinator's address: as typed, else as the environment has it, where an empty text is none.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line's own default, for schedulers that set it for all workers"
)]
fn coordinator(typed: Option<&str>) -> Result<Endpoint> {
    let variable = std::env::var(VARIABLE).unwrap_or_default();
    let text = typed.unwrap_or(variable.trim());
    if text.is_empty() {
        bail!(
            "no coordinator is named; give its address with --coordinator HOST:PORT or in {VARIABLE}"
        );
    }
    let endpoint = Endpoint::parse(text).context("--coordinator")?;
    endpoint.check_connectable().context("--coordinator")?;
    Ok(endpoint)
}

fn default_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "worker",
        host => host,
    };
    format!("{host}-{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_and_without_its_scheme() {
        for text in ["10.0.0.1:5600", "http://10.0.0.1:5600/"] {
            assert_eq!(
                coordinator(Some(text)).unwrap().url(),
                "http://10.0.0.1:5600"
            );
        }
    }

    #[test]
    fn an_address_that_cannot_be_connected_to_is_refused_at_once() {
        for text in [
            "",
            "10.0.0.1",
            "0.0.0.0:5600",
            "https://h:1",
            "[fe80::1%eth0]:1",
            "h:0",
        ] {
            let line = format!("{:#}", coordinator(Some(text)).unwrap_err());
            assert!(
                line.contains("--coordinator") && !line.contains('\n'),
                "{line}"
            );
        }
    }
}
