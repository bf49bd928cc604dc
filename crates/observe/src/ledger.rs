//! Records of time: a row for each rank of a step, for a stretch of a worker's life, and for a stretch of a run.

use fratmae_telemetry::Accounts;
use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

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

/// Nanoseconds in productive accounts whose work came to nothing. They are in accounts as well: an account never falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// In steps that were applied and done again.
    pub rewind: u64,
    /// In a step that was not finished.
    pub partial: u64,
    /// Between a killed worker's last words and its end, if it was at such work then.
    pub silent: u64,
}

impl Lost {
    /// All of it.
    #[must_use]
    pub const fn total(&self) -> u64 {
        let Self {
            rewind,
            partial,
            silent,
        } = *self;
        rewind.saturating_add(partial).saturating_add(silent)
    }
}

impl AddAssign for Lost {
    fn add_assign(&mut self, other: Self) {
        self.rewind = self.rewind.saturating_add(other.rewind);
        self.partial = self.partial.saturating_add(other.partial);
        self.silent = self.silent.saturating_add(other.silent);
    }
}

/// A stretch of a run under one coordinator: the workers that it asked for beside those that were there, and what
/// happened. The rows of all its coordinators add up to the run.
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
    /// The newest step in it that had never been applied before, and when it ended; 0 without one.
    pub best_step: u64,
    pub progress_unix_ms: u64,
    /// What happened in it.
    pub counts: Counts,
}

/// Adds a later stretch of the same run.
impl AddAssign for CapacityRow {
    fn add_assign(&mut self, later: Self) {
        if self.end_unix_ms == 0 {
            self.begin_unix_ms = later.begin_unix_ms;
        }
        self.fence = self.fence.max(later.fence);
        self.end_unix_ms = self.end_unix_ms.max(later.end_unix_ms);
        self.wanted = later.wanted;
        self.present_ns = self.present_ns.saturating_add(later.present_ns);
        self.missing_ns = self.missing_ns.saturating_add(later.missing_ns);
        self.best_step = self.best_step.max(later.best_step);
        self.progress_unix_ms = self.progress_unix_ms.max(later.progress_unix_ms);
        self.counts += later.counts;
    }
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

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.steps_applied = self.steps_applied.saturating_add(other.steps_applied);
        self.steps_repeated = self.steps_repeated.saturating_add(other.steps_repeated);
        self.steps_skipped = self.steps_skipped.saturating_add(other.steps_skipped);
        self.verdicts = self.verdicts.saturating_add(other.verdicts);
        self.generations = self.generations.saturating_add(other.generations);
        self.checkpoints = self.checkpoints.saturating_add(other.checkpoints);
        self.telemetry_dropped = self
            .telemetry_dropped
            .saturating_add(other.telemetry_dropped);
    }
}
