//! What a run is and does now, from its store, and from its coordinator if one answers.

use crate::clock::unix_us;
use crate::error::CoordinatorError;
use crate::history::{HistoryRow, KeptHistory, missing_steps, read_kept_history};
use crate::job::{RunFile, read_run_file};
use crate::leader::answer_of;
use crate::observed::{Objects, Times, groups, written};
use crate::summary::Summary;
use crate::verdict::WorkerVerdict;
use fratmae_checkpoint::{CheckpointError, Entry, Journal, Progress, Record, list, newest_of};
use fratmae_control::Cause;
use fratmae_observe::{Counts, Finding, Group, HISTORY, Ratios, Snapshot, Totals, findings};
use fratmae_store::Location;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// Steps over which the speed is taken.
const RECENT: usize = 10;

/// Verdicts that are shown at most.
const VERDICTS: usize = 10;

/// A run in figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunStatus {
    /// Where it is kept.
    pub run: String,
    /// `running`; `finished`; `interrupted`, as it was asked to stop; `failed`; or `stopped`: no coordinator answers and
    /// none has said why.
    pub state: &'static str,
    /// When the run began, by its store's clock; as `2026-11-30T02:50:18Z`.
    pub started: Option<String>,
    /// When its coordinator last gave a sign of life: it answers, wrote how far the run is, or a record.
    pub updated: Option<String>,
    /// The version of the newest coordinator.
    pub version: String,
    /// Where the data set is.
    pub data: String,
    /// Steps the job has.
    pub last_step: u64,
    /// Samples of a step.
    pub batch: u64,
    /// Samples a second over the newest steps known.
    pub samples_per_second: Option<f64>,
    /// Seconds of a step, while a coordinator answers and knows.
    pub step_seconds: Option<f64>,
    /// Seconds that the rest will take, while the run is running.
    pub eta_seconds: Option<f64>,
    /// The newest step known: applied if a coordinator answers, else as it is on the store.
    pub step: u64,
    /// The newest committed checkpoint's step; none before the first.
    pub committed_step: Option<u64>,
    /// First and last step of each row of committed steps of which the history has no figures; usually none.
    pub history_missing: Vec<(u64, u64)>,
    pub generation: u64,
    /// Its members in rank order.
    pub members: Vec<String>,
    /// Workers that have no seat, since all are taken; known if a coordinator answers.
    pub standing_by: Vec<String>,
    /// The least workers that the run begins with, and the most it takes; known if a coordinator answers.
    pub workers: Option<[u32; 2]>,
    pub fence: u64,
    /// Where the newest coordinator served or serves.
    pub coordinator: String,
    /// Why it stopped, if the journal says.
    pub reason: Option<String>,
    /// The run and step whose checkpoint it began from, as RUN@STEP, if it is a fork.
    pub forked_from: Option<String>,
    /// The newest loss known.
    pub loss: Option<f64>,
    /// The newest verdicts on workers, oldest first.
    pub verdicts: Vec<WorkerVerdict>,
    /// Where the time of its workers went; none in runs of versions that did not count it.
    pub time: Option<WorkerTime>,
    /// How often things happened, as far as that is known.
    pub counts: Counts,
    /// What detectors find wrong with it.
    pub findings: Vec<Finding>,
    /// The result, once finished.
    pub summary: Option<Summary>,
    /// Objects of the run that cannot be read, a line each; the rest is shown without them.
    pub notes: Vec<String>,
}

/// Where the time of a run's workers went, and the shares that this makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct WorkerTime {
    #[serde(flatten)]
    pub totals: Totals,
    #[serde(flatten)]
    pub ratios: Ratios,
}

/// A run, looked at once.
#[derive(Debug)]
pub struct Look {
    pub status: RunStatus,
    pub snapshot: Snapshot,
    /// The figures of its steps.
    pub history: Vec<HistoryRow>,
    pub(crate) groups: Vec<Group>,
}

/// Looks a run up.
///
/// # Errors
/// `NoRun`, or the store's. What is damaged is a note, and the rest is shown.
pub async fn status(run: &Location) -> Result<RunStatus, CoordinatorError> {
    Ok(look(run).await?.status)
}

/// The same with what else there is to see.
///
/// # Errors
/// As [`status`].
pub async fn look(run: &Location) -> Result<Look, CoordinatorError> {
    let committed = newest_of(&list(run).await?).map(|id| id.step.get());
    let mut notes = Vec::new();
    let entries = read_journal(run, &mut notes).await?;
    let is_there = committed.is_some() || !entries.is_empty();
    let run_file = kept_run_file(run, is_there, &mut notes).await?;
    let (records, updated) = records(run).await?;
    let KeptHistory { rows, damaged } = read_kept_history(run).await?;
    notes.extend(damaged);
    let times = Times::read(run).await?;
    notes.extend(times.damaged.iter().cloned());
    let started = records.values().min();
    let mut status = RunStatus {
        run: run.url().to_owned(),
        started: started.and_then(|unix_ms| at(unix_ms.saturating_mul(1_000))),
        updated: updated.map(shown),
        notes,
        ..RunStatus::of_store(run_file.as_ref(), &rows, committed)
    };
    for entry in &entries {
        status.follow(entry.record.clone());
    }
    if status.state == "stopped" {
        status.ask().await;
    }
    if status.state == "stopped" {
        status.recall(run).await;
    }
    let groups = groups(&entries);
    let objects = Objects {
        status: &status,
        run_file: run_file.as_ref(),
        entries: &entries,
        written: &records,
        history: &rows,
        times,
    };
    let snapshot = objects.snapshot(&groups);
    status.observe(&snapshot);
    Ok(Look {
        status,
        snapshot,
        history: rows,
        groups,
    })
}

/// When each record of the journal was written, and when the run's newest object.
async fn records(
    run: &Location,
) -> Result<(BTreeMap<u64, u64>, Option<SystemTime>), CoordinatorError> {
    let (journal, history) = (run.list("journal").await?, run.list(HISTORY).await?);
    let newest = journal
        .iter()
        .chain(&history)
        .map(|entry| entry.written)
        .max();
    Ok((written(&journal), newest))
}

fn shown(time: SystemTime) -> String {
    in_seconds(time.into())
}

/// Microseconds since 1970 as a time, if it is in the calendar's range.
fn at(unix_us: u64) -> Option<String> {
    let time = chrono::DateTime::from_timestamp_micros(i64::try_from(unix_us).ok()?);
    time.map(in_seconds)
}

fn in_seconds(time: chrono::DateTime<chrono::Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// Samples a second over the newest steps, each of `batch` samples.
fn speed(history: &[HistoryRow], batch: u64) -> Option<f64> {
    let newest = history.iter().rev().take(RECENT);
    let seconds: Vec<f64> = newest.map(|row| row.seconds).collect();
    let samples = batch * seconds.len() as u64;
    let speed = samples as f64 / seconds.iter().sum::<f64>();
    (speed.is_finite() && speed > 0.0).then_some(speed)
}

/// What the run began with, if that can be read; else it is noted.
async fn kept_run_file(
    run: &Location,
    is_there: bool,
    notes: &mut Vec<String>,
) -> Result<Option<RunFile>, CoordinatorError> {
    match read_run_file(run).await {
        Ok(run_file) => return Ok(Some(run_file)),
        Err(error @ CoordinatorError::Damaged { .. }) => notes.push(error.to_string()),
        Err(CoordinatorError::NoRun { .. }) if is_there => {
            notes.push(
                "config.json of this run is missing; running the same job again writes it anew"
                    .to_owned(),
            );
        }
        Err(error) => return Err(error),
    }
    Ok(None)
}

/// The records that can be read; those that cannot are noted.
async fn read_journal(
    run: &Location,
    notes: &mut Vec<String>,
) -> Result<Vec<Entry>, CoordinatorError> {
    match Journal::read(run).await {
        Ok(found) => {
            let passed_over = |error: &CheckpointError| format!("passed over: {error}");
            notes.extend(found.torn.iter().map(passed_over));
            Ok(found.entries)
        }
        Err(error @ (CheckpointError::DamagedRecord { .. } | CheckpointError::Gap { .. })) => {
            notes.push(error.to_string());
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}

impl RunStatus {
    /// What the job, the history and the newest checkpoint's step say.
    fn of_store(run_file: Option<&RunFile>, rows: &[HistoryRow], committed: Option<u64>) -> Self {
        let value = |key: &str| run_file?.config.pointer(key);
        let number = |key: &str| value(key).and_then(Value::as_u64).unwrap_or(0);
        let data = value("/data/url").and_then(Value::as_str);
        let began_at = run_file.map_or(0, RunFile::began_at);
        let newest = committed.unwrap_or(0);
        let missing = missing_steps(rows, began_at, newest).into_iter();
        Self {
            state: "stopped",
            data: data.unwrap_or_default().to_owned(),
            last_step: number("/train/steps"),
            batch: number("/train/batch"),
            samples_per_second: speed(rows, number("/train/batch")),
            step: rows.last().map_or(newest, |row| row.step.max(newest)),
            committed_step: committed,
            history_missing: missing
                .map(|steps| (*steps.start(), *steps.end()))
                .collect(),
            loss: rows.last().map(HistoryRow::loss),
            ..Self::default()
        }
    }

    /// Takes a journal record in; later ones overrule earlier ones.
    fn follow(&mut self, record: Record) {
        match record {
            Record::Fence { fence, mark } => {
                self.fence = fence;
                self.coordinator = mark.address;
                self.version = mark.version;
                (self.state, self.reason) = ("stopped", None);
            }
            Record::Generation {
                generation,
                members,
                ..
            } => {
                self.generation = generation;
                self.members = members;
            }
            Record::RolledBack { step, .. } => {
                self.state = "interrupted";
                self.reason = Some(format!("rolled back to step {step}"));
                self.summary = None;
            }
            Record::Forked { run, step, .. } => self.forked_from = Some(format!("{run}@{step}")),
            Record::Commit { .. }
            | Record::Removed { .. }
            | Record::Skipped { .. }
            | Record::BadBatch { .. } => {}
            Record::Verdict { verdict, .. } => {
                if self.verdicts.len() == VERDICTS {
                    self.verdicts.remove(0);
                }
                self.verdicts.extend(serde_json::from_value(verdict));
            }
            Record::Finished { summary } => {
                self.state = "finished";
                self.summary = serde_json::from_value(summary).ok();
            }
            Record::Interrupted { reason, .. } => {
                self.state = match Cause::is_one(&reason) {
                    true => "interrupted",
                    false => "failed",
                };
                self.reason = Some(reason);
            }
        }
    }

    /// Takes in what its snapshot shows beyond it.
    fn observe(&mut self, snapshot: &Snapshot) {
        let totals = Totals::of(snapshot);
        let is_counted = totals != Totals::default();
        self.time = is_counted.then(|| WorkerTime {
            totals,
            ratios: totals.ratios(),
        });
        self.counts = snapshot.counts;
        self.findings = findings(snapshot);
    }

    /// Lets a coordinator that still answers say where the run is.
    async fn ask(&mut self) {
        let Some(reply) = answer_of(&self.coordinator).await else {
            return;
        };
        self.state = "running";
        self.updated = at(unix_us());
        self.step = self.step.max(reply.step);
        self.generation = reply.generation;
        self.members = reply.members;
        self.standing_by = reply.standing_by;
        self.workers = Some([reply.least_workers, reply.most_workers]);
        self.loss = reply.loss.or(self.loss);
        self.samples_per_second = reply.samples_per_second.or(self.samples_per_second);
        (self.step_seconds, self.eta_seconds) = (reply.step_seconds, reply.eta_s);
    }

    /// Shows how far the run was when its coordinator last wrote it down; its workers may have got further since.
    async fn recall(&mut self, run: &Location) {
        let Some(beat) = Progress::read(run).await else {
            return;
        };
        // Both are in UTC and of one form, so their texts sort by time.
        self.updated = self.updated.take().max(at(beat.unix_us));
        if beat.fence == self.fence && beat.step > self.step {
            self.step = beat.step;
            self.loss = beat.loss.or(self.loss);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_checkpoint::CoordinatorMark;

    fn blank() -> RunStatus {
        RunStatus {
            run: "r".to_owned(),
            state: "stopped",
            last_step: 10,
            batch: 8,
            ..RunStatus::default()
        }
    }

    fn fence(fence: u64) -> Record {
        let mark = CoordinatorMark {
            address: format!("http://host:{fence}"),
            version: "v".to_owned(),
            nonce: "n".to_owned(),
            host: String::new(),
            step: None,
        };
        Record::Fence { fence, mark }
    }

    #[test]
    fn a_new_fence_makes_an_interrupted_run_unsettled_again() {
        let mut status = blank();
        status.follow(fence(1));
        status.follow(Record::Interrupted {
            step: 3,
            reason: "asked to stop".to_owned(),
        });
        assert_eq!(
            (status.state, status.reason.as_deref()),
            ("interrupted", Some("asked to stop"))
        );
        status.follow(Record::Interrupted {
            step: 3,
            reason: "no worker is left".to_owned(),
        });
        assert_eq!(status.state, "failed");
        status.follow(fence(2));
        assert_eq!((status.state, status.fence), ("stopped", 2));
        assert_eq!(status.coordinator, "http://host:2");
    }

    #[test]
    fn the_speed_is_that_of_the_newest_steps() {
        let row = |step, seconds| HistoryRow {
            step,
            generation: 1,
            // Of all steps so far.
            samples: 8 * step,
            seconds,
            ..HistoryRow::default()
        };
        let seconds = |step| if step <= 20 { 4.0 } else { 2.0 };
        let slow_then_fast: Vec<_> = (1..=30).map(|step| row(step, seconds(step))).collect();
        assert_eq!(speed(&slow_then_fast, 8), Some(4.0));
        assert_eq!(speed(&[], 8), None);
        assert_eq!(speed(&[row(1, 0.0)], 8), None);
    }

    #[tokio::test]
    async fn a_coordinator_that_is_gone_leaves_the_run_stopped() {
        let mut status = blank();
        status.coordinator = "http://127.0.0.1:1".to_owned();
        status.ask().await;
        assert_eq!(status.state, "stopped");
    }
}
