//! `fratmae worker`: joins a run by the coordinator's address.

mod host;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fratmae_coordinator::LAUNCH_TOKEN;
use fratmae_exporters::of_worker;
use fratmae_network::{Endpoint, host_name};
use fratmae_pretrain::Pretrain;
use fratmae_store::Location;
use fratmae_telemetry::{describe, described};
use fratmae_worker::{
    Activity, ConnectionError, Ended, Options, Traffic, Whereabouts, WorkerError,
};
use serde::Serialize;

use self::host::HostOptions;
use crate::{
    commands::chaos::time,
    exit::{Misuse, Stopped},
    exporting::{Exporting, MetricsOptions},
    failure::ToldElsewhere,
    output::Output,
    signals::Signals,
    terminal,
};

/// Names the coordinator where the command line does not.
const VARIABLE: &str = "FRATMAE_COORDINATOR";

/// Joins a run as a worker.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae worker --coordinator http://10.0.0.1:5600
  fratmae worker --coordinator 10.0.0.1:5600 --wait 10m --name node-2
  fratmae worker --run s3://bucket/run-1 --wait 1h
  fratmae worker --coordinator 10.0.0.1:5600 --cache-dir /scratch/fratmae
  srun fratmae worker --coordinator 10.0.0.1:5600 --local-rank $SLURM_LOCALID")]
pub(crate) struct Arguments {
    /// Address of the coordinator, as it printed it [env: FRATMAE_COORDINATOR]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) coordinator: Option<String>,
    /// The run, whose store says where its coordinator is, also after that has moved
    #[arg(long, value_name = "URL", conflicts_with = "coordinator")]
    pub(crate) run: Option<String>,
    /// How long to wait for the coordinator to be reachable, such as 30s or 10m
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10s")]
    pub(crate) wait: Duration,
    /// Address to listen at for the other workers [default: detected]
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) listen: String,
    /// Address that the other workers connect to, if it differs from --listen
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) advertise: String,
    /// Name shown in messages [default: HOST-PID]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Index of this worker on its machine; selects the GPU
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) local_rank: usize,
    /// The former name of `--local-rank`, for one version
    #[arg(long, value_name = "N", hide = true, conflicts_with = "local_rank")]
    pub(crate) place: Option<usize>,
    /// Compute threads; 0: all cores
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    #[command(flatten)]
    host: HostOptions,
    #[command(flatten)]
    pub(crate) exporting: MetricsOptions,
    /// Started by `pretrain`, which reports for all its workers why they were stopped
    #[arg(long, hide = true)]
    pub(crate) launched: bool,
    /// Print one JSON object when the worker has left the run
    #[arg(long)]
    pub(crate) json: bool,
}

impl Arguments {
    /// Where the coordinator is, or which run's it is.
    fn whereabouts(&self) -> Result<Whereabouts> {
        Ok(match &self.run {
            Some(run) => Whereabouts::Run(Location::open(run)?),
            None => Whereabouts::Address(coordinator(self.coordinator.as_deref())?),
        })
    }

    fn local_rank(&self) -> usize {
        self.place.map_or(self.local_rank, |place| {
            tracing::warn!(
                "--place is called --local-rank now; the next version knows the new name only"
            );
            place
        })
    }
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
    exporting: &Exporting,
    output: &mut Output,
) -> Result<()> {
    let started = Instant::now();
    let coordinator = arguments.whereabouts()?;
    let address = coordinator.to_string();
    let host = match host_name() {
        host if host.is_empty() => "worker".to_owned(),
        host => host,
    };
    let place = arguments.local_rank();
    let given = |otherwise: String| arguments.name.clone().unwrap_or(otherwise);
    let name = given(format!("{host}-{}", std::process::id()));
    describe("worker", name.as_str());
    describe("host", host.as_str());
    let activity = Arc::new(Activity::default());
    let accounted = Arc::clone(&activity);
    let known = move || {
        let Traffic { sent, received } = Traffic::now();
        of_worker(&accounted.accounts(), [sent, received])
    };
    // A coordinator that takes it in tells it which run it is.
    let is_ready = || described("run").is_some();
    let options = &arguments.exporting;
    if let Some(url) = exporting.begin(options, known, is_ready).await? {
        tracing::info!("metrics are at {url}");
    }
    let options = Options {
        coordinator,
        wait: arguments.wait,
        listen: arguments.listen.clone(),
        advertise: arguments.advertise.clone(),
        host: arguments.host.resolve(variable)?,
        is_verbose: !arguments.launched,
        name: name.clone(),
        label: given(format!("{host}-{place}")),
        place,
        token: launch_token(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        activity,
    };
    if arguments.launched {
        let signals = Signals::catch_as_child()?;
        return match fratmae_worker::run::<Pretrain>(options, signals.asked()).await {
            Err(WorkerError::Connection(ConnectionError::Stopped { .. })) => bail!(ToldElsewhere),
            ended => Ok(ended.map(drop)?),
        };
    }
    let ended = attend(options, quiet).await?;
    if arguments.json && ended != Ended::Stopped {
        output.json(&Left {
            worker: &name,
            host: &host,
            coordinator: &address,
            seconds: started.elapsed().as_secs_f64(),
        })?;
    }
    parting(ended)
}

/// What is said of the way a worker ended.
fn parting(ended: Ended) -> Result<()> {
    match ended {
        Ended::Finished => Ok(()),
        Ended::Left => bail!(Stopped::resumable(
            "left as asked; the run goes on without this worker"
        )),
        Ended::Stopped => bail!(Stopped::resumable(
            "the run was stopped; start this worker again when it resumes"
        )),
    }
}

/// Trains until the run ends, or until it is asked to leave.
async fn attend(options: Options, quiet: bool) -> Result<Ended> {
    let signals = Signals::catch_in_order()?;
    let asked = signals.asked();
    let asked = async move {
        asked.await;
        if !quiet {
            terminal::note(LEAVING);
        }
    };
    tokio::select! {
        biased;
        () = signals.at_once() => bail!(Stopped::at_once("left at once; the others go on without this worker")),
        ended = fratmae_worker::run::<Pretrain>(options, asked) => Ok(ended?),
    }
}

/// The answer to the first request.
const LEAVING: &str =
    "leaving after the step at hand (workers.grace_s at most); press Ctrl-C again to leave now";

/// A default of the command line from the environment, where an empty text is none.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line's own defaults, for schedulers that set them for all workers"
)]
fn variable(name: &str) -> String {
    let value = std::env::var(name).unwrap_or_default();
    value.trim().to_owned()
}

/// The coordinator's address: as typed, else as the environment has it.
pub(crate) fn coordinator(typed: Option<&str>) -> Result<Endpoint> {
    let variable = variable(VARIABLE);
    let text = typed.unwrap_or(&variable);
    if text.is_empty() {
        bail!(Misuse(format!(
            "no coordinator is named; give its address with --coordinator HOST:PORT or in {VARIABLE}, or its run with --run"
        )));
    }
    let endpoint = Endpoint::parse(text).context("--coordinator")?;
    endpoint.check_connectable().context("--coordinator")?;
    Ok(endpoint)
}

/// What the coordinator gave to a worker that it started itself.
#[expect(
    clippy::disallowed_methods,
    reason = "a command line can be read by every user of the machine"
)]
fn launch_token() -> Option<String> {
    std::env::var(LAUNCH_TOKEN).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments as All, Command};
    use clap::Parser as _;

    #[test]
    fn the_local_rank_is_read_by_its_former_name_too() {
        for flag in ["--local-rank=2", "--place=2"] {
            let all = All::parse_from(["fratmae", "worker", flag]);
            let Command::Worker(worker) = all.command else {
                panic!("not a worker: {flag}");
            };
            assert_eq!(worker.local_rank(), 2);
        }
        let both = ["fratmae", "worker", "--local-rank=2", "--place=2"];
        assert!(All::try_parse_from(both).is_err());
    }

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
