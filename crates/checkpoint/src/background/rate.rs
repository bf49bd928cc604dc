//! The share of its time that the writer of checkpoints may work, controlled by how much its work slows the steps down.
//! It owns only the rule: it reads no clock and waits for nothing.

use std::collections::VecDeque;

/// Undisturbed steps whose median is the usual time of a step.
const REMEMBERED: usize = 15;

/// The smallest share, so that a writer that always slows steps down still finishes.
const LEAST: f64 = 0.01;

/// Seconds within which a checkpoint should be durable where that slows nothing down; faster is no use to anybody.
const SOON: f64 = 20.0;

/// The fraction of the time to the next checkpoint within which this one must be written.
const DUE: f64 = 0.8;

/// The share of its time that the writer works.
#[derive(Clone, Debug)]
pub(super) struct RateController {
    /// The allowed slowdown, as a fraction.
    limit: f64,
    /// Steps from one checkpoint to the next.
    every: u64,
    /// The most, between 0 and 1.
    share: f64,
    n_cores: f64,
    /// Cores that nobody uses while steps are computed.
    idle: f64,
    /// Seconds of the last undisturbed steps.
    quiet: VecDeque<f64>,
}

/// What is left to write, and what it costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remaining {
    pub(super) bytes: u64,
    /// Seconds of work per byte so far.
    pub(super) seconds_per_byte: f64,
    /// Seconds since the checkpoint began.
    pub(super) elapsed: f64,
}

impl RateController {
    /// Until it is known how many cores are idle, all count as busy.
    pub(super) fn new(max_slowdown: f64, every: u64, n_cores: usize) -> Self {
        let mut rate = Self {
            limit: max_slowdown,
            every,
            share: LEAST,
            n_cores: n_cores as f64,
            idle: 0.0,
            quiet: VecDeque::new(),
        };
        rate.begin();
        rate
    }

    pub(super) const fn n_cores(&self) -> f64 {
        self.n_cores
    }

    /// So many cores are idle while steps are computed.
    pub(super) fn idle_cores(&mut self, idle: f64) {
        self.idle = idle;
    }

    /// A checkpoint begins: work on idle cores delays no step, and each second on the others delays it. What was learned
    /// from the last checkpoint may no longer hold.
    pub(super) fn begin(&mut self) {
        self.share = (self.limit * self.n_cores + self.idle).clamp(LEAST, 1.0);
    }

    /// Records the time of a step during which nothing was written.
    pub(super) fn quiet_step(&mut self, seconds: f64) {
        if self.quiet.len() == REMEMBERED {
            self.quiet.pop_front();
        }
        self.quiet.push_back(seconds);
    }

    /// Adjusts the share to the time of a step during which the writer worked.
    pub(super) fn disturbed_step(&mut self, seconds: f64) {
        let Some(usual) = self.usual().filter(|usual| *usual > 0.0) else {
            return;
        };
        let slowdown = seconds / usual - 1.0;
        // Larger changes would follow the noise of single steps. Up more slowly than down: a step that is too slow costs.
        let factor = if slowdown > 0.0 {
            (self.limit / slowdown).clamp(0.5, 1.25)
        } else {
            1.25
        };
        self.share = (self.share * factor).clamp(LEAST, 1.0);
    }

    /// The median of the undisturbed steps, once there is one.
    pub(super) fn usual(&self) -> Option<f64> {
        let mut sorted: Vec<_> = self.quiet.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }

    /// The share to work at now: what the slowdown allows, as far as it makes the checkpoint durable soon, but at least what
    /// is needed to finish before the next checkpoint is due.
    pub(super) fn share(&self, left: Remaining) -> f64 {
        let Some(usual) = self.usual() else {
            return self.share;
        };
        let work = left.bytes as f64 * left.seconds_per_byte;
        let within = |seconds: f64| {
            let time = seconds - left.elapsed;
            if time > work { work / time } else { 1.0 }
        };
        let busy = (self.limit * self.n_cores).clamp(LEAST, 1.0);
        let soon = within(SOON).max(busy);
        let needed = within(DUE * self.every as f64 * usual);
        self.share.min(soon).max(needed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate() -> RateController {
        let mut rate = RateController::new(0.03, 1000, 2);
        (0..5).for_each(|_| rate.quiet_step(1.0));
        rate
    }

    fn left(bytes: u64, elapsed: f64) -> Remaining {
        Remaining {
            bytes,
            seconds_per_byte: 1e-9,
            elapsed,
        }
    }

    /// Much to do, of which a little is done.
    fn much(elapsed: f64) -> Remaining {
        left(18_000_000_000, elapsed)
    }

    #[test]
    fn the_first_share_assumes_busy_cores() {
        assert!((rate().share(much(0.0)) - 0.06).abs() < 1e-9);
    }

    #[test]
    fn idle_cores_are_used_at_once_and_no_more_than_is_of_use() {
        let mut rate = rate();
        rate.idle_cores(0.5);
        rate.begin();
        assert!((rate.share(much(0.0)) - 0.56).abs() < 1e-9);
        rate.idle_cores(7.0);
        rate.begin();
        // 18 s of work in 20 s.
        assert!((rate.share(much(0.0)) - 0.9).abs() < 1e-9);
        // 2 s of work in 20 s, and in the last 5 of them.
        assert!((rate.share(left(2_000_000_000, 0.0)) - 0.1).abs() < 1e-9);
        assert!((rate.share(left(2_000_000_000, 15.0)) - 0.4).abs() < 1e-9);
        assert!((rate.share(left(2_000_000_000, 30.0)) - 1.0).abs() < 1e-9);
        // They were not so idle after all.
        rate.disturbed_step(1.12);
        assert!((rate.share(much(0.0)) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn work_that_slows_no_step_down_gets_all_the_time_that_is_of_use() {
        let mut rate = rate();
        (0..20).for_each(|_| rate.disturbed_step(1.001));
        assert!((rate.share(much(0.0)) - 0.9).abs() < 1e-9);
        rate.begin();
        assert!(rate.share(much(0.0)) < 0.07);
    }

    #[test]
    fn slowed_steps_lower_the_share_to_a_minimum() {
        let mut rate = rate();
        rate.disturbed_step(1.06);
        assert!((rate.share(left(1, 0.0)) - 0.03).abs() < 1e-9);
        (0..20).for_each(|_| rate.disturbed_step(2.0));
        assert!((rate.share(left(1, 0.0)) - LEAST).abs() < 1e-9);
    }

    #[test]
    fn one_slow_step_does_not_move_the_usual_time() {
        let mut rate = rate();
        rate.quiet_step(30.0);
        assert_eq!(rate.usual(), Some(1.0));
    }

    #[test]
    fn the_next_checkpoint_has_priority_over_the_slowdown() {
        let rate = rate();
        let half = rate.share(left(200_000_000_000, 400.0));
        assert!((half - 0.5).abs() < 1e-9, "{half}");
        assert_eq!(rate.share(left(1, 900.0)), 1.0);
    }

    #[test]
    fn before_any_step_the_share_is_the_first_one() {
        let mut rate = RateController::new(0.03, 10, 64);
        rate.disturbed_step(5.0);
        assert_eq!(rate.share(left(u64::MAX, 0.0)), 1.0);
        assert_eq!(rate.usual(), None);
    }
}
