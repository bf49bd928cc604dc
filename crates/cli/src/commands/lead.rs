//! Leads a run from its job to its end, for `pretrain` (with workers of its own) and `coordinator` (without).
//! The run itself is the `coordinator` crate's; here are its surroundings: data, socket, signals, report.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use anyhow::{Context as _, Result};
use fratmae_config::Config;
use fratmae_coordinator::{Allowed, EVENTS, Job, Launcher, Outcome, StopRequests};
use fratmae_dataset::DataSet;
use fratmae_store::Location;
use serde::Serialize;
use tokio::{net::TcpListener, sync::mpsc};

use crate::{
    commands::{apart, ending, pretrain::data, target, watch::Watch},
    output::Output,
    signals::Signals,
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
    showing: Showing,
    output: &mut Output,
) -> Result<()> {
    let (launcher, allowed) = match workers {
        Workers::Here(launcher) => (Some(launcher), Allowed::default()),
        Workers::Elsewhere(allowed) => (None, allowed),
    };
    target::check_paths(&config)?;
    let signals = Signals::catch(ending::PREPARING)?;
    let run = Location::open(&config.run.url)?;
    fratmae_telemetry::describe("run", run.url());
    config = apart(move || fratmae_worker::fill_digests(&mut config).map(|()| config)).await??;
    // Told before hours of preparing; that it can be written is found out when the run is opened.
    run.probe_read().await?;
    let data = data::open_or_prepare(&config, showing.quiet).await?;
    let mut watch = Watch::start(&config, showing.quiet);
    let named = config.clone();
    for line in apart(move || weights_told(&named)).await?? {
        tracing::info!(target: EVENTS, line, "initial weights");
        watch.note(&line);
    }
    let (run_url, data_url) = (run.url().to_owned(), data.location.url().to_owned());
    let job = apart(move || job(config, run, data, allowed)).await?;
    let outcome = attend(job, launcher, watch, &signals).await?;
    if let (Outcome::Interrupted { step, reason }, true) = (&outcome, showing.json) {
        output.json(&Interrupted {
            run: &run_url,
            interrupted: true,
            step: *step,
            reason,
        })?;
    }
    match outcome {
        Outcome::Finished(summary) => ending::show(&summary, &data_url, showing.json, output),
        stopped => Err(ending::stop(&stopped).into()),
    }
}

fn job(config: Config, run: Location, data: DataSet, allowed: Allowed) -> Job {
    Job {
        warnings: data::warnings(&config, data.manifest.cases.len()),
        config,
        run,
        data,
        nonce: nonce(),
        allowed,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
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
async fn attend(
    job: Job,
    launcher: Option<Launcher>,
    mut watch: Watch,
    signals: &Signals,
) -> Result<Outcome> {
    let address = job.config.coordinator.listen.clone();
    let listener = TcpListener::bind(&address).await;
    let listener =
        listener.with_context(|| format!("cannot listen at coordinator.listen = {address}"))?;
    let (events, mut told) = mpsc::channel(256);
    // Apart from the run, which may wait for its store while somebody wants an answer.
    let shown = tokio::spawn(async move {
        while let Some(event) = told.recv().await {
            watch.show(&event);
        }
    });
    let stop = StopRequests {
        after_the_step: Box::pin(signals.asked()),
        at_once: Box::pin(signals.at_once()),
    };
    signals.stop_in_order();
    let outcome = fratmae_coordinator::run(job, listener, launcher, events, stop).await;
    shown.await?;
    Ok(outcome?)
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
