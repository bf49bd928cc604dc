//! How much of its time the writer of checkpoints may work, from what its work does to the steps.
//! Owns the rule alone: it reads no clock and waits for nothing.

use std::collections::VecDeque;

/// Quiet steps that the usual time is the median of.
const REMEMBERED: usize = 15;

/// The least share, so that a writer that is always in the way still comes to its end.
const LEAST: f64 = 0.01;

/// How much of the time to the next checkpoint may be used up for this one.
const DUE: f64 = 0.8;

/// The share of its time that the writer works.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// The slowdown that is wanted at most, as a fraction.
    limit: f64,
    /// Steps from one checkpoint to the next.
    every: u64,
    /// Between 0 and 1.
    share: f64,
    /// What a checkpoint begins with at most.
    first: f64,
    /// Seconds of the last steps during which nothing was written.
    quiet: VecDeque<f64>,
}

/// What is left to write, and at which price.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remaining {
    /// Bytes to go.
    pub(crate) bytes: u64,
    /// Seconds of work that a byte has taken so far.
    pub(crate) seconds_per_byte: f64,
    /// Seconds since the checkpoint began.
    pub(crate) elapsed: f64,
}

impl Pace {
    /// Begins as if every core were busy with the step and each second of work were taken from it.
    pub(crate) fn new(max_slowdown: f64, every: u64, n_cores: usize) -> Self {
        let first = (max_slowdown * n_cores as f64).clamp(LEAST, 1.0);
        Self {
            limit: max_slowdown,
            every,
            share: first,
            first,
            quiet: VecDeque::new(),
        }
    }

    /// A checkpoint begins: what was learned of the last one may not hold any more, so it begins low.
    pub(crate) fn begin(&mut self) {
        self.share = self.share.min(self.first);
    }

    /// Takes the time of a step in during which nothing was written.
    pub(crate) fn quiet_step(&mut self, seconds: f64) {
        if self.quiet.len() == REMEMBERED {
            self.quiet.pop_front();
        }
        self.quiet.push_back(seconds);
    }

    /// Takes the time of a step in during which the writer worked at the present share, and mends the share.
    pub(crate) fn disturbed_step(&mut self, seconds: f64) {
        let Some(usual) = self.usual().filter(|usual| *usual > 0.0) else {
            return;
        };
        let slowdown = seconds / usual - 1.0;
        // More at once would follow the noise of single steps; and up slower than down, for a step that is too slow costs.
        let factor = if slowdown > 0.0 {
            (self.limit / slowdown).clamp(0.5, 1.25)
        } else {
            1.25
        };
        self.share = (self.share * factor).clamp(LEAST, 1.0);
    }

    /// The median of the quiet steps, once there is one.
    pub(crate) fn usual(&self) -> Option<f64> {
        let mut sorted: Vec<_> = self.quiet.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }

    /// The share to work at now: what the slowdown allows, but at least what ends before the next checkpoint is due.
    pub(crate) fn share(&self, left: Remaining) -> f64 {
        let Some(usual) = self.usual() else {
            return self.share;
        };
        let time = DUE * self.every as f64 * usual - left.elapsed;
        let work = left.bytes as f64 * left.seconds_per_byte;
        let needed = if time > work { work / time } else { 1.0 };
        self.share.max(needed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        let mut pace = Pace::new(0.03, 1000, 2);
        (0..5).for_each(|_| pace.quiet_step(1.0));
        pace
    }

    fn left(bytes: u64, elapsed: f64) -> Remaining {
        Remaining {
            bytes,
            seconds_per_byte: 1e-9,
            elapsed,
        }
    }

    #[test]
    fn begins_with_what_busy_cores_can_bear() {
        assert!((pace().share(left(1, 0.0)) - 0.06).abs() < 1e-9);
    }

    #[test]
    fn work_that_no_step_notices_gets_all_the_time() {
        let mut pace = pace();
        (0..20).for_each(|_| pace.disturbed_step(1.001));
        assert!(pace.share(left(1, 0.0)) > 0.99);
        pace.begin();
        assert!(pace.share(left(1, 0.0)) < 0.07);
    }

    #[test]
    fn steps_that_slow_down_get_room_and_the_work_still_comes_to_an_end() {
        let mut pace = pace();
        pace.disturbed_step(1.06);
        assert!((pace.share(left(1, 0.0)) - 0.03).abs() < 1e-9);
        (0..20).for_each(|_| pace.disturbed_step(2.0));
        assert!((pace.share(left(1, 0.0)) - LEAST).abs() < 1e-9);
    }

    #[test]
    fn one_slow_step_among_quiet_ones_does_not_move_what_is_usual() {
        let mut pace = pace();
        pace.quiet_step(30.0);
        assert_eq!(pace.usual(), Some(1.0));
    }

    #[test]
    fn next_checkpoint_comes_before_the_slowdown() {
        let pace = pace();
        let half = pace.share(left(200_000_000_000, 400.0));
        assert!((half - 0.5).abs() < 1e-9, "{half}");
        assert_eq!(pace.share(left(1, 900.0)), 1.0);
    }

    #[test]
    fn before_any_step_the_share_is_the_first_one() {
        let mut pace = Pace::new(0.03, 10, 64);
        pace.disturbed_step(5.0);
        assert_eq!(pace.share(left(u64::MAX, 0.0)), 1.0);
        assert_eq!(pace.usual(), None);
    }
}
