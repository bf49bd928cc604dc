//! Records of time: a row for each rank of a step, for a stretch of a worker's life, and for a stretch of a run.

use fratmae_telemetry::Accounts;
use serde::{Deserialize, Serialize};

/// One rank's time in one step that was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankRow {
    pub step: u64,
    pub generation: u64,
    pub rank: u32,
    /// The worker's stable name, the same after a restart.
    pub worker: String,
    pub host: String,
    /// Slots that it computed: ranks whose number differs are not compared as they are.
    pub slots: u32,
    /// When the step ended, in milliseconds since 1970 by the coordinator's clock.
    pub unix_ms: u64,
    /// Nanoseconds from the step's beginning to its end; their sum is how long it took this rank.
    pub accounts: Accounts,
    /// Its own time in each collective call of the step, in nanoseconds, in the order of the calls.
    pub calls: Vec<u64>,
}

/// A stretch of one worker process's life. The rows of a process add up to its life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// The worker's stable name, the same after a restart.
    pub worker: String,
    /// Which process of that name: it began so many microseconds after 1970.
    pub incarnation: u64,
    pub host: String,
    /// The generation at the end of the stretch; 0 without one.
    pub generation: u64,
    /// The newest step before the stretch, and at its end.
    pub from_step: u64,
    pub to_step: u64,
    /// The stretch, in milliseconds since 1970 by the coordinator's clock.
    pub begin_unix_ms: u64,
    pub end_unix_ms: u64,
    pub accounts: Accounts,
    pub lost: Lost,
}

/// Nanoseconds of work that came to nothing. They are in accounts as well: an account never falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// In steps that were applied and done again.
    pub rewind: u64,
    /// In a step that was not finished.
    pub partial: u64,
    /// Between a killed worker's last words and its end, as far as that is known.
    pub silent: u64,
}

/// A stretch of a run: the workers that it asked for beside those that were there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityRow {
    /// The coordinator that counted it.
    pub fence: u64,
    pub begin_unix_ms: u64,
    pub end_unix_ms: u64,
    /// The most workers that the run takes.
    pub wanted: u32,
    /// Nanoseconds of registered workers, and of those that were asked for and not there.
    pub present_ns: u64,
    pub missing_ns: u64,
}
