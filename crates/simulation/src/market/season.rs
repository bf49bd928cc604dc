//! The figures of a time on the market.

use std::time::Duration;

/// What came of a time on the market.
#[derive(Clone, Debug, Default)]
pub struct Season {
    /// The most workers.
    pub workers: u32,
    /// Workers that came after the first group, that left with notice, and that vanished without.
    pub joined: u64,
    pub left: u64,
    pub lost: u64,
    pub generations: u64,
    /// Steps, and those that were broken off and done again.
    pub steps: u64,
    pub again: u64,
    /// Events that `control` saw, the time that it took for all of them and for the longest one.
    pub events: u64,
    pub took: Duration,
    pub longest: Duration,
    /// Growth of this process's resident memory; nothing where the system does not say.
    pub memory_kib: Option<u64>,
    /// Milliseconds of all workers together: that they were there, that the slots of steps took, each step once, that
    /// members waited for those with more slots, and that steps took which were broken off.
    pub(super) present: u64,
    pub(super) useful: u64,
    pub(super) waited: u64,
    pub(super) broken: u64,
}

impl Season {
    /// The share of the workers' time that went into steps of the run, each counted once.
    #[must_use]
    pub fn goodput(&self) -> f64 {
        self.share(self.useful)
    }

    /// The share in which members waited for those with more slots.
    #[must_use]
    pub fn waiting(&self) -> f64 {
        self.share(self.waited)
    }

    /// The share that went into steps that were broken off.
    #[must_use]
    pub fn lost_steps(&self) -> f64 {
        self.share(self.broken)
    }

    /// The rest: groups form, workers stand by or leave.
    #[must_use]
    pub fn forming(&self) -> f64 {
        1.0 - self.goodput() - self.waiting() - self.lost_steps()
    }

    fn share(&self, time: u64) -> f64 {
        time as f64 / self.present.max(1) as f64
    }
}
