//! From a store to a run that can go on: replay the journal, take the fence, find the newest good state.

use crate::error::CoordinatorError;
use crate::event::{EventSink, RunEvent};
use crate::fork::copy_origin;
use crate::history::trim_history;
use crate::incumbent::ensure_not_led;
use crate::job::{Job, RunFile, unresumable};
use crate::job_match::lineage_of;
use crate::lives::{given_up, known_step};
use crate::seats::Seats;
use crate::summary::Summary;
use fratmae_checkpoint::{
    CheckpointError, CheckpointId, Collector, CommitDigests, CoordinatorMark, Entry, Journal,
    Lineage, Newest, Record, Replayed, Retention, list, newest_good_but,
};
use fratmae_control::{
    Generation, JournalState, Recorded, Source, TakeOver, TakeOverStep, TakenOver, Tasks,
};
use fratmae_network::host_id;
use fratmae_store::{Created, Location};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::{Duration, Instant};

/// A run as this coordinator found it.
pub(crate) enum Opening {
    /// Every step was applied before; nothing was written now.
    Finished(Box<Summary>),
    /// This coordinator holds the fence and may go on.
    Open(Box<Opened>),
}

/// A run that this coordinator has taken over.
pub(crate) struct Opened {
    pub(crate) run_file: RunFile,
    pub(crate) journal: Journal,
    /// The newest generation, and who of it may still train.
    pub(crate) recorded: Recorded,
    pub(crate) newest: Source,
    pub(crate) tasks: Tasks,
    /// The newest generation whose states are given up, since the run was taken back.
    pub(crate) given_up: Generation,
    /// Which checkpoints are this job's.
    pub(crate) lineage: Lineage,
    /// Checkpoints passed over, a line each.
    pub(crate) damaged: Vec<String>,
    pub(crate) collector: Collector,
    /// Whose the seats of its generations were.
    pub(crate) seats: Seats,
}

/// Opens the job's run for a coordinator that serves at `address`.
///
/// # Errors
/// Another job's or data's run, one that is led, a damaged journal, or a store that fails or ignores create-if-absent.
pub(crate) async fn open(
    job: &mut Job,
    address: &str,
    events: &EventSink,
) -> Result<Opening, CoordinatorError> {
    job.run.probe().await?;
    let compared = job.compare().await?;
    // It answers, so from here on it is borne with longer.
    let run = job.run.clone().with_retry_policy(job.patience());
    let found = Journal::read(&run).await?;
    let begun = begin(job, compared, &run, &found, events).await?;
    if let Some(summary) = finished(job, &begun.newest, &found.entries) {
        for (id, error) in &begun.newest.damaged {
            let line = passed_over(*id, error);
            events.emit(RunEvent::PassedOver { line });
        }
        return Ok(Opening::Finished(Box::new(summary)));
    }
    begun.run_file.require_schedule(&run)?;
    let unneeded = |line: String| format!("{line}; not needed, because the run has a checkpoint");
    job.notes.extend(job.unread.drain(..).map(unneeded));
    tell_torn(&found, &run, &begun.newest, events);
    let take_over = TakeOver::new(found.state(), begun.newest.found());
    let run_file = &begun.run_file;
    let committed = begun.newest.manifest.as_ref();
    let committed = committed.map_or(0, |manifest| manifest.step);
    let steps = (committed, known_step(&run, committed).await);
    let found = (address, steps, found);
    let taken = take_fence(job, &run, run_file, found, (take_over, events)).await?;
    go_on(job, &run, begun, taken).await
}

/// Finds out where the run is, now that nobody else writes to it.
async fn go_on(
    job: &Job,
    run: &Location,
    begun: Begun,
    (mut journal, mut taken, seats): (Journal, TakenOver, Seats),
) -> Result<Opening, CoordinatorError> {
    let Begun {
        run_file,
        lineage,
        mut newest,
    } = begun;
    if let Some(step) = taken.journal().rolled_back() {
        trim_history(run, step.get()).await?;
    }
    let (recorded, source) = loop {
        match (taken.next(), &run_file.origin) {
            (TakeOverStep::FindNewest { but }, _) => {
                newest = newest_good_but(run, &lineage, &but).await?;
                taken.found(newest.found());
            }
            (TakeOverStep::Record(id), _) => {
                let manifest = newest.manifest.as_ref().filter(|found| found.id() == id);
                let digests = manifest.map(|found| CommitDigests::of(found, BTreeMap::new()));
                let digests = digests.transpose()?.unwrap_or_default();
                journal.append(Record::commit(id, digests)).await?;
                taken.recorded_commit(id);
            }
            // A fork that has no checkpoint yet begins from the other run's.
            (
                TakeOverStep::Serve {
                    newest: Source::Initial,
                    ..
                },
                Some(origin),
            ) => {
                if !taken.journal().committed().is_empty() || !newest.damaged.is_empty() {
                    return Err(no_good_checkpoint(run));
                }
                let copied = copy_origin(job, run, (&run_file, origin), journal.fence()).await?;
                newest.manifest = Some(copied);
                taken.found(newest.found());
            }
            (TakeOverStep::Serve { recorded, newest }, _) => break (recorded, newest),
        }
    };
    let listed = list(run).await?.into_iter().collect();
    let collector = collector(job, &newest, taken.journal(), &listed);
    let damaged = newest.damaged.iter();
    let damaged = damaged.map(|(id, error)| passed_over(*id, error)).collect();
    Ok(Opening::Open(Box::new(Opened {
        run_file,
        journal,
        recorded,
        newest: source,
        tasks: Tasks::new(taken.journal().committed().clone()),
        given_up: taken.journal().given_up(),
        lineage,
        damaged,
        collector,
        seats,
    })))
}

/// What a run was begun with, and its newest good checkpoint.
struct Begun {
    run_file: RunFile,
    lineage: Lineage,
    newest: Newest,
}

/// Finds the newest checkpoint of the run's job; creates the run where there is none.
///
/// Checkpoints without the run's first object are compared with the job before that is written anew.
async fn begin(
    job: &mut Job,
    compared: Option<RunFile>,
    run: &Location,
    found: &Replayed,
    events: &EventSink,
) -> Result<Begun, CoordinatorError> {
    let entries = &found.entries;
    let is_new = compared.is_none();
    let mut run_file = match compared {
        Some(run_file) => run_file,
        None => new_run_file(job, entries).await?,
    };
    let lineage = lineage_of(&job.config, &run_file, entries, &job.version);
    let newest = newest_good_but(run, &lineage, found.state().removed()).await?;
    if let Some(reason) = all_foreign(&newest) {
        let run = run.url().to_owned();
        return Err(CoordinatorError::OtherCheckpoints { run, reason });
    }
    if newest.manifest.is_none() && run_file.origin.is_none() {
        job.require_first_weights()?;
    }
    if is_new && job.create(&run_file).await? == Created::Taken {
        // Another coordinator created it since.
        run_file = job.compare().await?.unwrap_or(run_file);
    } else if is_new && (newest.manifest.is_some() || !entries.is_empty()) {
        let note = "config.json of this run was missing and was written anew from this job, which its checkpoints are of";
        let note = note.to_owned();
        events.emit(RunEvent::Noted { note });
    }
    Ok(Begun {
        run_file,
        lineage,
        newest,
    })
}

/// What a run begins with that has no first object yet.
async fn new_run_file(job: &mut Job, entries: &[Entry]) -> Result<RunFile, CoordinatorError> {
    let is_fork = |entry: &Entry| matches!(entry.record, Record::Forked { .. });
    if entries.iter().any(is_fork) {
        let reason = "its config.json is missing, and only that file has how many samples it was forked after; restore \
                      it from a copy";
        return Err(unresumable(&job.run, reason));
    }
    let origin = match job.fork.clone() {
        Some(fork) => Some(job.choose_origin(&fork).await?),
        None => None,
    };
    job.run_file(origin)
}

/// The first difference, where there are checkpoints and all of them are another job's.
fn all_foreign(newest: &Newest) -> Option<String> {
    let is_foreign = |(_, error): &(CheckpointId, CheckpointError)| {
        matches!(error, CheckpointError::Foreign { .. })
    };
    let all = newest.manifest.is_none() && newest.damaged.iter().all(is_foreign);
    let (_, first) = newest.damaged.first().filter(|_| all)?;
    Some(first.to_string())
}

/// Says what of the journal is missing, if anything is.
fn tell_torn(found: &Replayed, run: &Location, newest: &Newest, events: &EventSink) {
    for error in &found.torn {
        let note = format!("passed over the last record of a coordinator: {error}");
        events.emit(RunEvent::Noted { note });
    }
    if let (true, true, Some(manifest)) = (
        found.entries.is_empty(),
        found.torn.is_empty(),
        &newest.manifest,
    ) {
        let note = format!(
            "the journal of {} is missing; resuming from its newest checkpoint, of step {}",
            run.url(),
            manifest.step
        );
        events.emit(RunEvent::Noted { note });
    }
}

/// Takes the run over once it is known that nobody leads it; who comes second asks the first.
async fn take_fence(
    job: &Job,
    run: &Location,
    run_file: &RunFile,
    (address, (committed, step), mut found): (&str, (u64, u64), Replayed),
    (mut take_over, events): (TakeOver, &EventSink),
) -> Result<(Journal, TakenOver, Seats), CoordinatorError> {
    let mark = CoordinatorMark {
        address: address.to_owned(),
        version: job.version.clone(),
        nonce: job.nonce.clone(),
        host: host_id(),
        step: Some(step),
    };
    let mut journal = loop {
        ensure_not_led(run, &run_file.run_id, &found.entries, job.take_over, events).await?;
        let writer = take_over.writer();
        if let Some(journal) = Journal::take_fence(run, mark.clone(), writer).await? {
            break journal;
        }
        found = Journal::read(run).await?;
        if !take_over.lost(found.state()) {
            return Err(Journal::contended(run).into());
        }
    };
    if let Some(origin) = &run_file.origin {
        let origin = origin.record();
        if !found.entries.iter().any(|entry| entry.record == origin) {
            journal.append(origin).await?;
        }
    }
    if let Some(reason) = given_up(run, &found.entries, step).await? {
        // So that whoever starts it once more is not held to what was before.
        let record = Record::Interrupted {
            step: committed,
            reason: reason.clone(),
        };
        journal.append(record).await?;
        return Err(CoordinatorError::Failed { reason });
    }
    Ok((journal, take_over.taken(), Seats::of(&found.entries)))
}

/// Why a fork does not begin anew: its first weights are nowhere else.
pub(crate) fn no_good_checkpoint(run: &Location) -> CoordinatorError {
    let reason = "it is a fork and has no undamaged checkpoint left; restore one from a copy, or fork again into another \
                  --run";
    unresumable(run, reason)
}

/// What may be deleted, as far as the journal tells; a manifest that somebody took away commits nothing any more.
fn collector(
    job: &Job,
    newest: &Newest,
    journal: &JournalState,
    listed: &BTreeSet<CheckpointId>,
) -> Collector {
    let config = &job.config.checkpoint;
    let retention = Retention {
        last: config.keep_last,
        every: config.keep_every,
    };
    let delay = Duration::from_secs(config.delete_after_s);
    let mut collector = Collector::new(retention, delay);
    let committed = journal.committed().intersection(listed);
    committed.for_each(|id| collector.committed(*id));
    if let Some(manifest) = &newest.manifest {
        collector.verified(manifest.id());
    }
    let damaged = newest.damaged.iter().map(|(id, _)| *id);
    damaged.for_each(|id| collector.spare(id));
    let now = Instant::now();
    let removed = journal.removed().iter();
    removed.for_each(|id| collector.removed(*id, now));
    collector
}

/// The summary of a run that has nothing left to do: its last checkpoint must still be good.
fn finished(job: &Job, newest: &Newest, entries: &[Entry]) -> Option<Summary> {
    let last = job.config.train.steps;
    if newest
        .manifest
        .as_ref()
        .is_none_or(|manifest| manifest.step != last)
    {
        return None;
    }
    let summary = entries.iter().rev().find_map(|entry| match &entry.record {
        Record::Finished { summary } => Some(serde_json::from_value(summary.clone()).ok()),
        // Its end was given up.
        Record::RolledBack { .. } => Some(None),
        _ => None,
    });
    summary.flatten()
}

/// What people are told of a checkpoint that is damaged.
pub(crate) fn passed_over(id: CheckpointId, reason: &dyn Display) -> String {
    format!("checkpoint of step {} is passed over: {reason}", id.step)
}
