//! Leads a run from its job to its end, for `pretrain` (with workers of its own) and `coordinator` (without).
//! The run itself is the `coordinator` crate's; here are its surroundings: data, socket, signals, report.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    path::PathBuf,
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use fratmae_config::Config;
use fratmae_coordinator::{
    Allowed, CoordinatorError, Fork, Job, Launcher, Outcome, RunEvent, StopRequests,
};
use fratmae_dataset::DataSet;
use fratmae_exporters::{Kubeflow, of_run};
use fratmae_observe::Snapshot;
use fratmae_store::Location;
use fratmae_web::Live;
use serde::Serialize;
use tokio::{
    net::TcpListener,
    sync::{
        broadcast::{self, error::RecvError},
        watch,
    },
};

use crate::{
    commands::{
        apart, ending,
        owner::{self, Kind},
        page::Paging,
        painting::Painting,
        pretrain::{data, memory},
        run_meter::RunMeter,
        run_progress::RunProgress,
        target,
        tensorboard::live::Live as Board,
    },
    exporting::{Exporting, MetricsOptions},
    output::Output,
    signals::Signals,
    table::Table,
    terminal,
};

/// Events that wait to be shown at most, hours of steps in two megabytes. Only a terminal that stands still for longer
/// misses lines, the oldest first.
const EVENTS: usize = 1 << 14;

/// What shows a run beside its own lines.
#[derive(Debug, Clone, Args)]
pub(crate) struct Viewers {
    /// Write event files for TensorBoard into this folder, which is this run's alone
    #[arg(long, value_name = "DIR", value_parser = target::here())]
    tensorboard: Option<PathBuf>,
    /// After checkpoints draw what the model makes of K cases, for the page; an own process of low priority does it
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..=64))]
    pictures: Option<u16>,
    /// Take these cases from another data set, such as one that is held out
    #[arg(long, value_name = "URL", requires = "pictures")]
    pictures_data: Option<String>,
}

/// How a run is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutputMode<'a> {
    /// No progress.
    pub(crate) quiet: bool,
    /// The end as one JSON object.
    pub(crate) json: bool,
    pub(crate) viewers: &'a Viewers,
    /// Whether there is a page of it, and where.
    pub(crate) page: &'a Paging,
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
pub(crate) async fn run_coordinator(
    (mut config, fork): (Config, Option<Fork>),
    workers: Workers,
    take_over: bool,
    showing: OutputMode<'_>,
    exporting: (&Exporting, &MetricsOptions),
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
    let (mut config, mut unread) =
        apart(move || fratmae_pretrain::fill_digests(&mut config).map(|unread| (config, unread)))
            .await??;
    // Told before hours of preparing; that it can be written is found out when the run is opened.
    run.probe_read().await?;
    owner::ensure_free(&run, Kind::Run).await?;
    ensure_apart(&run, &config)?;
    let board = showing.viewers.tensorboard.as_ref();
    let board = board
        .map(|folder| Board::open(folder, run.url()))
        .transpose()?;
    let Viewers {
        pictures,
        pictures_data,
        ..
    } = showing.viewers;
    let painting = pictures
        .map(|cases| Painting::of(run.url(), cases, pictures_data.as_deref()))
        .transpose()?;
    let has_checkpoint = fork.is_some() || !fratmae_checkpoint::list(&run).await?.is_empty();
    if !has_checkpoint && !unread.is_empty() {
        return Err(unread.swap_remove(0).into());
    }
    let data = data::open_or_prepare(&config, showing.quiet).await?;
    let shortage = launcher.as_ref().and_then(|_| memory::fit(&mut config));
    let progress = RunProgress::start(&config, showing.quiet);
    let (run_url, data_url) = (run.url().to_owned(), data.location.url().to_owned());
    let mut job = job(config, run, data, (allowed, take_over));
    job.notes.extend(shortage);
    job.notes.extend(data::unsealed(&job.data));
    if launcher.is_none() {
        job.warnings.extend(hosts_own(&job.config));
    }
    job.unread = unread.iter().map(ToString::to_string).collect();
    job.fork = fork;
    if !has_checkpoint {
        let config = job.config.clone();
        job.notes
            .extend(apart(move || weights_told(&config)).await??);
    }
    let outlets = (broadcast::Sender::new(EVENTS), watch::Sender::default());
    job.notes.extend(export(exporting, &outlets).await?);
    let shown = Shown {
        progress,
        board,
        painting,
        page: showing.page,
    };
    let outcome = attend(job, launcher, (shown, outlets), &signals).await;
    report(outcome, (&run_url, &data_url), showing, output)
}

/// Shows what a run came to.
fn report(
    outcome: Result<Outcome>,
    (run, data): (&str, &str),
    showing: OutputMode<'_>,
    output: &mut Output,
) -> Result<()> {
    if let Some(table) = outcome.as_ref().err().and_then(other_job)
        && !showing.quiet
    {
        terminal::table(&table);
    }
    let outcome = outcome?;
    if let (Outcome::Interrupted { step, reason }, true) = (&outcome, showing.json) {
        output.json(&Interrupted {
            run,
            interrupted: true,
            step: *step,
            reason,
        })?;
    }
    match outcome {
        Outcome::Finished(summary) => ending::show(&summary, data, showing.json, output),
        stopped => Err(ending::stop(&stopped).into()),
    }
}

/// Refuses one folder for a run and its data set.
fn ensure_apart(run: &Location, config: &Config) -> Result<()> {
    let data = Location::open(&config.data.url);
    ensure!(
        !data.is_ok_and(|data| data.url() == run.url()),
        "run.url and data.url are both {}; a run and a data set need a folder each",
        run.url()
    );
    Ok(())
}

fn job(config: Config, run: Location, data: DataSet, (allowed, take_over): (Allowed, bool)) -> Job {
    Job {
        warnings: data::warnings(&config, data.manifest.cases.len()),
        notes: Vec::new(),
        unread: Vec::new(),
        fork: None,
        config,
        run,
        data,
        nonce: nonce(),
        allowed,
        take_over,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// What the job says of hosts that are told it by whoever starts a worker there, a line each.
fn hosts_own(config: &Config) -> Vec<String> {
    let host = config.host();
    let line = |(key, value, option): (&str, &str, &str)| {
        format!(
            "{key} is each worker's own and not taken from here; start workers with {option} {value}"
        )
    };
    host.given().into_iter().map(line).collect()
}

/// A job that differs in several values from the run's, value by value; the error's one line has them all as well.
fn other_job(error: &anyhow::Error) -> Option<Table> {
    let Some(CoordinatorError::OtherJob { differences, .. }) = error.downcast_ref() else {
        return None;
    };
    let mut table = Table::new(&["key", "here", "in the run", "in a fork"]);
    for difference in differences {
        let in_a_fork = match difference.changes_shape() {
            true => "must stay",
            false => "may change",
        };
        table.row(vec![
            difference.key.clone(),
            difference.ours.to_string(),
            difference.theirs.to_string(),
            in_a_fork.to_owned(),
        ]);
    }
    (differences.len() > 1).then_some(table)
}

/// What became of the files of weights that the job names, a line each; workers do the same again.
fn weights_told(config: &Config) -> Result<Vec<String>> {
    let model = &config.model;
    if model.init_from.is_empty() && model.text.weights.is_empty() {
        return Ok(Vec::new());
    }
    let parameters = fratmae_model::FratMae::layout(model);
    Ok(fratmae_pretrain::first_weights(config, &parameters)?.1)
}

/// Whatever shows a run that is led here.
struct Shown<'a> {
    progress: RunProgress,
    board: Option<Board>,
    painting: Option<Painting>,
    page: &'a Paging,
}

/// What a run tells as it goes on: its events, and how it stands.
type Outlets = (broadcast::Sender<RunEvent>, watch::Sender<Arc<Snapshot>>);

/// Tells other programs of the run; says where its metrics are read.
async fn export(
    (exporting, options): (&Exporting, &MetricsOptions),
    (events, snapshots): &Outlets,
) -> Result<Option<String>> {
    let (newest, leading) = (snapshots.subscribe(), snapshots.subscribe());
    let known = move || of_run(&newest.borrow());
    // Only who leads the run has a fence.
    let url = exporting.begin(options, known, move || leading.borrow().fence > 0);
    let url = url.await?;
    match Kubeflow::from_environment() {
        Ok(server) => drop(server.map(|it| tokio::spawn(it.follow(snapshots.subscribe())))),
        Err(reason) => tracing::warn!(%reason, "Kubeflow is sent no progress"),
    }
    let meter = RunMeter::new(exporting.histograms.clone());
    tokio::spawn(meter.follow(events.subscribe()));
    Ok(url.map(|url| format!("metrics are at {url}")))
}

/// Runs the job and shows what it tells.
async fn attend(
    mut job: Job,
    launcher: Option<Launcher>,
    (shown, outlets): (Shown<'_>, Outlets),
    signals: &Signals,
) -> Result<Outcome> {
    let address = job.config.coordinator.listen.clone();
    let listener = TcpListener::bind(&address).await;
    let listener =
        listener.with_context(|| format!("cannot listen at coordinator.listen = {address}"))?;
    let (events, snapshots) = &outlets;
    let board = shown.board;
    let board = board
        .map(|board| board.follow(events.subscribe(), snapshots.subscribe()))
        .transpose()?;
    let painting = shown.painting;
    let painting = painting.map(|painting| painting.start(events.subscribe()));
    let live = Live {
        events: events.subscribe(),
        snapshots: snapshots.subscribe(),
    };
    let page = shown.page.start(job.run.url(), live)?;
    let address = page.iter().map(|page| format!("page: {}", page.url));
    job.notes.extend(address);
    let mut progress = shown.progress;
    let mut receiver = events.subscribe();
    // A thread that may wait for the terminal, while the run waits for its store.
    let shown = tokio::task::spawn_blocking(move || {
        loop {
            match receiver.blocking_recv() {
                Ok(event) => progress.show(&event),
                Err(RecvError::Lagged(missed)) => progress.note(&format!(
                    "the terminal stood still and {missed} events are not shown; fratmae status has the newest verdicts"
                )),
                Err(RecvError::Closed) => return,
            }
        }
    });
    let stop = StopRequests {
        after_the_step: Box::pin(signals.asked()),
        at_once: Box::pin(signals.at_once()),
    };
    signals.stop_in_order();
    let outcome = fratmae_coordinator::run(job, listener, launcher, outlets, stop).await;
    drop(page);
    shown.await?;
    if let Some(board) = board {
        // What panicked has been told.
        drop(apart(move || board.join()).await);
    }
    if let Some(painting) = painting {
        painting.end().await;
    }
    Ok(outcome?)
}

// The standard library seeds its hashers from the system's randomness, and no two processes alike.
pub(crate) fn nonce() -> String {
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
    fn a_job_that_differs_in_several_values_is_shown_as_a_table() {
        let began = Config::default();
        let mut now = began.clone();
        (now.train.steps, now.model.encoder.depth) = (8, 6);
        let run = "/r".to_owned();
        let differences = now.differing_keys(&began);
        let error = CoordinatorError::OtherJob { run, differences };
        let table = other_job(&error.into()).unwrap().to_string();
        assert_eq!(
            table,
            "key                  here  in the run  in a fork\n\
             model.encoder.depth  6     12          must stay\n\
             train.steps          8     16150       may change\n"
        );
        now.model = began.model.clone();
        let run = "/r".to_owned();
        let differences = now.differing_keys(&began);
        let one = CoordinatorError::OtherJob { run, differences };
        assert!(other_job(&one.into()).is_none());
    }

    #[test]
    fn what_is_each_workers_own_is_told_where_a_job_says_it_for_workers_elsewhere() {
        let mut config = Config::default();
        assert!(hosts_own(&config).is_empty());
        config.workers.preemption_file = "/run/preempted".to_owned();
        let lines = hosts_own(&config);
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].starts_with("workers.preemption_file is each worker's own")
                && lines[0].ends_with("--preemption-file /run/preempted"),
            "{lines:?}"
        );
    }

    #[test]
    fn two_nonces_differ() {
        assert_ne!(nonce(), nonce());
        assert_eq!(nonce().len(), 32);
    }
}
