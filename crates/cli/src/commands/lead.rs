//! Leads a run from its job to its end, for `pretrain` (with workers of its own) and `coordinator` (without).
//! The run itself is the `coordinator` crate's; here are its surroundings: data, socket, signals, report.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use anyhow::{Context as _, Result, bail, ensure};
use fratmae_config::Config;
use fratmae_coordinator::{Allowed, Job, Launcher, Outcome};
use fratmae_dataset::DataSet;
use fratmae_store::Location;
use serde::Serialize;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use crate::{
    commands::{
        apart, ending,
        owner::{self, Kind},
        pretrain::data,
        target,
        watch::Watch,
    },
    output::Output,
};

/// How a run is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Showing {
    /// No progress.
    pub(crate) quiet: bool,
    /// The end as one JSON object.
    pub(crate) json: bool,
}

/// Where a run's workers come from.
#[derive(Debug)]
pub(crate) enum Workers {
    /// They are started on this machine.
    Here(Launcher),
    /// They are started elsewhere, and may differ in this.
    Elsewhere(Allowed),
}

/// The end of a run that was asked to stop.
#[derive(Serialize)]
struct Interrupted<'a> {
    run: &'a str,
    interrupted: bool,
    step: u64,
    reason: &'a str,
}

/// Leads the run of `config` to its end and reports it.
///
/// # Errors
/// Whatever the data, the store or the run failed of, and that the run was interrupted.
pub(crate) async fn lead(
    mut config: Config,
    workers: Workers,
    take_over: bool,
    showing: Showing,
    output: &mut Output,
) -> Result<()> {
    let (launcher, allowed) = match workers {
        Workers::Here(launcher) => (Some(launcher), Allowed::default()),
        Workers::Elsewhere(allowed) => (None, allowed),
    };
    target::check_paths(&config)?;
    let run = Location::open(&config.run.url)?;
    config = apart(move || fratmae_worker::fill_digests(&mut config).map(|()| config)).await??;
    // Told before hours of preparing; that it can be written is found out when the run is opened.
    run.probe_read().await?;
    owner::ensure_free(&run, Kind::Run).await?;
    ensure!(
        run.url()
            != Location::open(&config.data.url)
                .map_or_else(|_| String::new(), |data| data.url().to_owned()),
        "run.url and data.url are both {}; a run and a data set need a folder each",
        run.url()
    );
    let data = data::open_or_prepare(&config, showing.quiet).await?;
    let watch = Watch::start(&config, showing.quiet);
    let (run_url, data_url) = (run.url().to_owned(), data.location.url().to_owned());
    let differing = (allowed, take_over);
    let job = apart(move || job(config, run, data, differing)).await??;
    let outcome = attend(job, launcher, watch).await?;
    match outcome {
        Outcome::Finished(summary) => ending::show(&summary, &data_url, showing.json, output),
        Outcome::Interrupted { step, reason } => {
            if showing.json {
                let run = run_url.as_str();
                output.json(&Interrupted {
                    run,
                    interrupted: true,
                    step,
                    reason,
                })?;
            }
            bail!(
                "{run_url} was stopped ({reason}); its checkpoint is of step {step}; the same command goes on from there"
            )
        }
    }
}

fn job(
    config: Config,
    run: Location,
    data: DataSet,
    (allowed, take_over): (Allowed, bool),
) -> Result<Job> {
    let mut warnings = data::warnings(&config, data.manifest.cases.len());
    warnings.extend(weights_told(&config)?);
    Ok(Job {
        warnings,
        config,
        run,
        data,
        nonce: nonce(),
        allowed,
        take_over,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// What became of the files of weights that the job names, a line each; workers do the same again.
fn weights_told(config: &Config) -> Result<Vec<String>> {
    let model = &config.model;
    if model.init_from.is_empty() && model.text.weights.is_empty() {
        return Ok(Vec::new());
    }
    let parameters = fratmae_model::FratMae::layout(model);
    Ok(fratmae_worker::first_weights(config, &parameters)?.1)
}

/// Runs the job and shows what it tells.
async fn attend(job: Job, launcher: Option<Launcher>, mut watch: Watch) -> Result<Outcome> {
    let address = job.config.coordinator.listen.clone();
    let listener = TcpListener::bind(&address).await;
    let listener =
        listener.with_context(|| format!("cannot listen at coordinator.listen = {address}"))?;
    let drain = stop_requested()?;
    let (events, mut told) = mpsc::channel(256);
    let shown = async {
        while let Some(event) = told.recv().await {
            watch.show(&event);
        }
    };
    let run = fratmae_coordinator::run(job, listener, launcher, events, drain);
    let (outcome, ()) = tokio::join!(run, shown);
    Ok(outcome?)
}

/// Ends when the process is told to stop: by SIGTERM, by SIGUSR1 as Slurm sends it, or by Ctrl-C.
///
/// # Errors
/// When the system does not let signals be caught.
pub(crate) fn stop_requested() -> Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = catch(SignalKind::interrupt())?;
    let told = taken_away()?;
    Ok(async move {
        tokio::select! {
            () = told => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Ends when the process is told that its place is taken away; Ctrl-C is caught and left to whoever started it.
///
/// # Errors
/// When the system does not let signals be caught.
pub(crate) fn leave_requested() -> Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = catch(SignalKind::interrupt())?;
    let mut told = Box::pin(taken_away()?);
    Ok(async move {
        loop {
            tokio::select! {
                () = &mut told => return,
                _ = interrupt.recv() => {}
            }
        }
    })
}

fn taken_away() -> Result<impl Future<Output = ()> + Send + 'static> {
    let (mut terminate, mut user) = (
        catch(SignalKind::terminate())?,
        catch(SignalKind::user_defined1())?,
    );
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = user.recv() => {}
        }
    })
}

fn catch(kind: SignalKind) -> Result<Signal> {
    signal(kind).context("cannot catch signals")
}

// The standard library seeds its hashers from the system's randomness, and no two processes alike.
fn nonce() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!(
        "{:016x}{:016x}",
        random(),
        random() ^ u64::from(std::process::id())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_nonces_differ() {
        assert_ne!(nonce(), nonce());
        assert_eq!(nonce().len(), 32);
    }
}
