//! A run at one moment, as a live coordinator publishes it or as its objects on the store tell it.

use crate::ledger::{CapacityRow, Lost};
use fratmae_telemetry::{Accounts, Metrics};
use serde::{Deserialize, Serialize};

/// A run at one moment: what status, pages, metrics and detectors know of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was taken, in milliseconds since 1970.
    pub unix_ms: u64,
    /// Where the run is kept, and which run it is.
    pub run: String,
    pub run_id: String,
    /// The version of the coordinator.
    pub version: String,
    pub state: RunState,
    /// Why it is in that state, if that is known.
    pub reason: Option<String>,
    pub fence: u64,
    pub generation: u64,
    /// The newest step applied now, the newest that ever was, and the last of the job.
    pub step: u64,
    pub best_step: u64,
    pub last_step: u64,
    /// Samples of a step, and in the lineage of the weights.
    pub batch: u64,
    pub samples: u64,
    /// The newest committed checkpoint, and when it was committed.
    pub committed_step: Option<u64>,
    pub committed_unix_ms: Option<u64>,
    /// When a step was last applied that had never been applied before.
    pub progress_unix_ms: Option<u64>,
    /// How long a step takes: the median of the newest 100.
    pub step_seconds: Option<f64>,
    pub samples_per_second: Option<f64>,
    /// How long the steps that are left will take.
    pub eta_seconds: Option<f64>,
    /// The metrics of the newest step.
    pub metrics: Metrics,
    /// The fewest workers that the run begins with, and the most that it takes.
    pub wanted: [u32; 2],
    /// Workers that are there: members in rank order, then the others.
    pub workers: Vec<WorkerView>,
    /// Since the run began, over all its coordinators.
    pub counts: Counts,
    /// Time of all workers, those that are gone included.
    pub accounts: Accounts,
    pub lost: Lost,
    /// Workers asked for and there, since the run began.
    pub capacity: CapacityRow,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Its coordinator waits for workers.
    Waiting,
    /// A group trains, or forms to train on.
    Training,
    /// It was asked to stop, and saves.
    Stopping,
    Finished,
    /// It stopped as it was asked to and can go on.
    Interrupted,
    Failed,
    /// No coordinator answers and none has said why.
    #[default]
    Stopped,
}

/// How often things happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub steps_applied: u64,
    /// Of these, steps that had been applied before.
    pub steps_repeated: u64,
    /// Steps that moved no weight.
    pub steps_skipped: u64,
    pub verdicts: u64,
    pub generations: u64,
    pub checkpoints: u64,
    /// Items of telemetry that were dropped.
    pub telemetry_dropped: u64,
}

/// A worker's part in the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seat {
    Member,
    /// It has no seat, as all are taken.
    #[default]
    Standby,
    /// It was asked to leave.
    Leaving,
}

/// One worker that is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerView {
    /// Its stable name, the same after a restart.
    pub name: String,
    pub host: String,
    /// Which process of that name: it began so many microseconds after 1970.
    pub incarnation: u64,
    pub seat: Seat,
    /// Of a member.
    pub rank: Option<u32>,
    pub slots: u32,
    /// Where it is, by its last heartbeat.
    pub generation: u64,
    pub step: u64,
    pub phase: String,
    /// How long it has not got on within its phase.
    pub still_ms: u64,
    /// How long ago it was last heard.
    pub silent_ms: u64,
    /// Its process's time so far.
    pub accounts: Accounts,
    /// Its compute time over the recent steps: the best rank's over its own, and its own best over its own; 1 is best.
    pub relative_score: Option<f64>,
    pub individual_score: Option<f64>,
}
