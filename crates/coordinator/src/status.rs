//! What a run is and does now, from its store, and from its coordinator if one answers.

use crate::beat::last_beat;
use crate::error::CoordinatorError;
use crate::history::{KeptHistory, missing_steps, read_kept_history};
use crate::job::{RunFile, read_run_file};
use crate::summary::Summary;
use crate::verdict::WorkerVerdict;
use fratmae_checkpoint::{CheckpointError, Entry, Journal, Record, list};
use fratmae_protocol::pb;
use fratmae_protocol::pb::coordination_client::CoordinationClient;
use fratmae_store::Location;
use serde::Serialize;
use std::time::Duration;

/// How long a coordinator may take to answer before it counts as gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// Verdicts that are shown at most.
const VERDICTS: usize = 10;

/// A run in figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunStatus {
    /// Where it is kept.
    pub run: String,
    /// `running`, `finished`, `interrupted` or `stopped` (no coordinator answers).
    pub state: &'static str,
    /// Steps the job has.
    pub last_step: u64,
    /// The newest step known: applied if a coordinator answers, else as it is on the store.
    pub step: u64,
    /// The newest committed checkpoint's step.
    pub committed_step: u64,
    /// First and last step of each row of committed steps of which the history has no figures; usually none.
    pub history_missing: Vec<(u64, u64)>,
    /// The newest generation.
    pub generation: u64,
    /// Its members in rank order.
    pub members: Vec<String>,
    /// Workers that have no seat, since all are taken; known if a coordinator answers.
    pub standing_by: Vec<String>,
    /// The least workers that the run begins with, and the most it takes; known if a coordinator answers.
    pub workers: Option<[u32; 2]>,
    /// The newest fence.
    pub fence: u64,
    /// Where the newest coordinator served or serves.
    pub coordinator: String,
    /// Why it stopped, if the journal says.
    pub reason: Option<String>,
    /// The newest loss known.
    pub loss: Option<f64>,
    /// The newest verdicts on workers, oldest first.
    pub verdicts: Vec<WorkerVerdict>,
    /// The result, once finished.
    pub summary: Option<Summary>,
    /// Objects of the run that cannot be read, a line each; the rest is shown without them.
    pub notes: Vec<String>,
}

/// Looks a run up.
///
/// # Errors
/// `NoRun`, or the store's. What is damaged is a note, and the rest is shown.
pub async fn status(run: &Location) -> Result<RunStatus, CoordinatorError> {
    let committed = list(run).await?.last().map_or(0, |id| id.step.get());
    let mut notes = Vec::new();
    let entries = read_journal(run, &mut notes).await?;
    let is_there = committed > 0 || !entries.is_empty();
    let last_step = match read_run_file(run).await {
        Ok(run_file) => last_step(&run_file),
        Err(error @ CoordinatorError::Damaged { .. }) => {
            notes.push(error.to_string());
            0
        }
        Err(CoordinatorError::NoRun { .. }) if is_there => {
            notes.push(
                "config.json of this run is missing; running the same job again writes it anew"
                    .to_owned(),
            );
            0
        }
        Err(error) => return Err(error),
    };
    let KeptHistory { rows, damaged } = read_kept_history(run).await?;
    notes.extend(damaged);
    let mut status = RunStatus {
        run: run.url().to_owned(),
        state: "stopped",
        last_step,
        step: rows.last().map_or(committed, |row| row.step.max(committed)),
        committed_step: committed,
        history_missing: missing_steps(&rows, committed)
            .into_iter()
            .map(|steps| (*steps.start(), *steps.end()))
            .collect(),
        loss: rows.last().map(|row| row.figures.loss),
        notes,
        ..RunStatus::default()
    };
    for entry in entries {
        status.follow(entry.record);
    }
    if status.state == "stopped" {
        status.ask().await;
    }
    if status.state == "stopped" {
        status.recall(run).await;
    }
    Ok(status)
}

fn last_step(run_file: &RunFile) -> u64 {
    let steps = run_file.config.pointer("/train/steps");
    steps.and_then(serde_json::Value::as_u64).unwrap_or(0)
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
    /// Takes a journal record in; later ones overrule earlier ones.
    fn follow(&mut self, record: Record) {
        match record {
            Record::Fence { fence, mark } => {
                self.fence = fence;
                self.coordinator = mark.address;
                (self.state, self.reason) = ("stopped", None);
            }
            Record::Generation {
                generation,
                members,
            } => {
                self.generation = generation;
                self.members = members;
            }
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
        let Ok(Ok(reply)) = tokio::time::timeout(PATIENCE, ask(&self.coordinator)).await else {
            return;
        };
        self.state = "running";
        self.step = self.step.max(reply.step);
        self.generation = reply.generation;
        self.members = reply.members;
        self.standing_by = reply.standing_by;
        self.workers = Some([reply.least_workers, reply.most_workers]);
        self.loss = reply.figures.map(|figures| figures.loss).or(self.loss);
    }

    /// Shows how far the run was when its coordinator last wrote it down; its workers may have got further since.
    async fn recall(&mut self, run: &Location) {
        let Some(beat) = last_beat(run).await else {
            return;
        };
        if beat.fence == self.fence && beat.step > self.step {
            self.step = beat.step;
            self.loss = beat.loss.or(self.loss);
        }
    }
}

/// Asks the coordinator at an address how far it is.
pub(crate) async fn ask(
    address: &str,
) -> Result<pb::StatusReply, Box<dyn std::error::Error + Send + Sync>> {
    let endpoint = tonic::transport::Endpoint::from_shared(address.to_owned())?;
    let mut client = CoordinationClient::new(endpoint.connect().await?);
    Ok(client.status(pb::StatusRequest {}).await?.into_inner())
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
            ..RunStatus::default()
        }
    }

    fn fence(fence: u64) -> Record {
        let mark = CoordinatorMark {
            address: format!("http://host:{fence}"),
            version: "v".to_owned(),
            nonce: "n".to_owned(),
            host: String::new(),
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

    #[tokio::test]
    async fn a_coordinator_that_is_gone_leaves_the_run_stopped() {
        let mut status = blank();
        status.coordinator = "http://127.0.0.1:1".to_owned();
        status.ask().await;
        assert_eq!(status.state, "stopped");
    }
}
