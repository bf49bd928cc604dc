//! What a run is and does now, from its store, and from its coordinator if one answers.

use crate::error::CoordinatorError;
use crate::history::{HistoryRow, missing_steps, read_history};
use crate::job::read_run_file;
use crate::leader::answer_of;
use crate::summary::Summary;
use crate::verdict::WorkerVerdict;
use fratmae_checkpoint::{Journal, Record, list};
use fratmae_store::Location;
use serde::Serialize;
use serde_json::Value;
use std::time::SystemTime;

/// Steps over which the speed is taken.
const RECENT: usize = 10;

/// Verdicts that are shown at most.
const VERDICTS: usize = 10;

/// A run in figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunStatus {
    /// Where it is kept.
    pub run: String,
    /// `running`, `finished`, `interrupted` or `stopped` (no coordinator answers).
    pub state: &'static str,
    /// When the run began and when it last wrote something, by its store's clock; as `2026-11-30T02:50:18Z`.
    pub started: Option<String>,
    /// See `started`.
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
    /// The newest step known: applied if a coordinator answers, else with figures on the store.
    pub step: u64,
    /// The newest committed checkpoint's step; none before the first.
    pub committed_step: Option<u64>,
    /// First and last step of each row of committed steps of which the history has no figures; usually none.
    pub history_missing: Vec<(u64, u64)>,
    /// The newest generation.
    pub generation: u64,
    /// Its members in rank order.
    pub members: Vec<String>,
    /// The newest fence.
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
    /// The result, once finished.
    pub summary: Option<Summary>,
}

/// Looks a run up.
///
/// # Errors
/// `NoRun`, `Damaged`, or the store's.
pub async fn status(run: &Location) -> Result<RunStatus, CoordinatorError> {
    let run_file = read_run_file(run).await?;
    let history = read_history(run).await?;
    let committed = list(run).await?.last().map(|id| id.step.get());
    let number = |key: &str| run_file.config.pointer(key).and_then(Value::as_u64);
    let data = run_file.config.pointer("/data/url").and_then(Value::as_str);
    let (started, updated) = times(run).await?;
    let mut status = RunStatus {
        run: run.url().to_owned(),
        state: "stopped",
        started: started.map(shown),
        updated: updated.map(shown),
        version: String::new(),
        data: data.unwrap_or_default().to_owned(),
        last_step: number("/train/steps").unwrap_or(0),
        batch: number("/train/batch").unwrap_or(0),
        samples_per_second: speed(&history),
        step_seconds: None,
        eta_seconds: None,
        step: history
            .last()
            .map_or(committed.unwrap_or(0), |row| row.step),
        committed_step: committed,
        history_missing: missing_steps(&history, run_file.began_at(), committed.unwrap_or(0))
            .into_iter()
            .map(|steps| (*steps.start(), *steps.end()))
            .collect(),
        generation: 0,
        members: Vec::new(),
        fence: 0,
        coordinator: String::new(),
        reason: None,
        forked_from: None,
        loss: history.last().map(|row: &HistoryRow| row.figures.loss),
        verdicts: Vec::new(),
        summary: None,
    };
    for entry in Journal::replay(run).await? {
        status.follow(entry.record);
    }
    if status.state == "stopped" {
        status.ask().await;
    }
    Ok(status)
}

/// When the run's first record and its newest object were written.
async fn times(
    run: &Location,
) -> Result<(Option<SystemTime>, Option<SystemTime>), CoordinatorError> {
    let mut written = Vec::new();
    for folder in ["journal", "history"] {
        let entries = run.list(folder).await?;
        written.extend(entries.into_iter().map(|entry| entry.written));
    }
    Ok((written.iter().min().copied(), written.iter().max().copied()))
}

fn shown(time: SystemTime) -> String {
    chrono::DateTime::<chrono::Utc>::from(time).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// Samples a second over the newest steps.
fn speed(history: &[HistoryRow]) -> Option<f64> {
    let newest = history.iter().rev().take(RECENT);
    let (samples, seconds) = newest.fold((0, 0.0), |(samples, seconds), row| {
        (samples + row.figures.samples, seconds + row.figures.seconds)
    });
    let speed = samples as f64 / seconds;
    (speed.is_finite() && speed > 0.0).then_some(speed)
}

impl RunStatus {
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
                self.state = "interrupted";
                self.reason = Some(reason);
            }
        }
    }

    /// Lets a coordinator that still answers say where the run is.
    async fn ask(&mut self) {
        let Some(reply) = answer_of(&self.coordinator).await else {
            return;
        };
        self.state = "running";
        self.step = self.step.max(reply.step);
        self.generation = reply.generation;
        self.members = reply.members;
        if let Some(figures) = reply.figures {
            self.loss = Some(figures.loss);
            let speed = figures.samples as f64 / figures.seconds;
            let is_known = speed.is_finite() && speed > 0.0;
            self.samples_per_second = is_known.then_some(speed).or(self.samples_per_second);
        }
        (self.step_seconds, self.eta_seconds) = (reply.step_seconds, reply.eta_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_checkpoint::CoordinatorMark;
    use fratmae_protocol::pb;

    fn blank() -> RunStatus {
        RunStatus {
            run: "r".to_owned(),
            state: "stopped",
            started: None,
            updated: None,
            version: String::new(),
            data: String::new(),
            last_step: 10,
            batch: 8,
            samples_per_second: None,
            step_seconds: None,
            eta_seconds: None,
            step: 0,
            committed_step: None,
            history_missing: Vec::new(),
            generation: 0,
            members: Vec::new(),
            fence: 0,
            coordinator: String::new(),
            reason: None,
            forked_from: None,
            loss: None,
            verdicts: Vec::new(),
            summary: None,
        }
    }

    fn fence(fence: u64) -> Record {
        let mark = CoordinatorMark {
            address: format!("http://host:{fence}"),
            version: "v".to_owned(),
            nonce: "n".to_owned(),
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
        status.follow(fence(2));
        assert_eq!((status.state, status.fence), ("stopped", 2));
        assert_eq!(status.coordinator, "http://host:2");
    }

    #[test]
    fn the_speed_is_that_of_the_newest_steps() {
        let row = |step, seconds| HistoryRow {
            step,
            generation: 1,
            figures: pb::Figures {
                samples: 8,
                seconds,
                ..pb::Figures::default()
            },
        };
        let seconds = |step| if step <= 20 { 4.0 } else { 2.0 };
        let slow_then_fast: Vec<_> = (1..=30).map(|step| row(step, seconds(step))).collect();
        assert_eq!(speed(&slow_then_fast), Some(4.0));
        assert_eq!(speed(&[]), None);
        assert_eq!(speed(&[row(1, 0.0)]), None);
    }

    #[tokio::test]
    async fn a_coordinator_that_is_gone_leaves_the_run_stopped() {
        let mut status = blank();
        status.coordinator = "http://127.0.0.1:1".to_owned();
        status.ask().await;
        assert_eq!(status.state, "stopped");
    }
}
