//! Workers asked for beside those that are there, and how often things happened, since the run began.

use super::Moment;
use fratmae_observe::{CapacityRow, Counts};
use std::time::Instant;

/// How long a stretch lasts.
const STRETCH_MS: u64 = 60_000;

/// Steps that wait to be counted until it is known what earlier coordinators counted.
const MOST_UNCOUNTED: usize = 1 << 16;

/// What there is to count.
#[derive(Clone, Copy, Debug)]
enum News {
    /// A step was applied.
    Applied {
        step: u64,
        /// Whether it is told again, since somebody may not have heard of it.
        is_recalled: bool,
        unix_ms: u64,
    },
    /// A group goes on from this step.
    Began(u64),
}

/// Counts of a run.
#[derive(Debug)]
pub(crate) struct Capacity {
    /// The stretch at hand.
    open: CapacityRow,
    /// Those that ended and are not at the keeper yet.
    closed: Vec<CapacityRow>,
    /// All that ended, of earlier coordinators too once they are known.
    before: CapacityRow,
    counted: Instant,
    n_registered: u32,
    /// The newest step in the lineage that goes on.
    applied: u64,
    /// Until it is known what earlier coordinators counted.
    uncounted: Option<Vec<News>>,
}

impl Capacity {
    pub(super) fn new(fence: u64, committed: u64, wanted: u32, now: Moment) -> Self {
        let open = CapacityRow {
            fence,
            wanted,
            begin_unix_ms: now.unix_ms,
            end_unix_ms: now.unix_ms,
            ..CapacityRow::default()
        };
        Self {
            open,
            closed: Vec::new(),
            before: CapacityRow::default(),
            counted: now.at,
            n_registered: 0,
            applied: committed,
            uncounted: Some(Vec::new()),
        }
    }

    /// Counts the time since it was called before, in which as many workers were there as then.
    pub(super) fn tick(&mut self, now: Moment, n_registered: usize) {
        let passed = now.at.duration_since(self.counted).as_nanos();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        let missing = self.open.wanted.saturating_sub(self.n_registered);
        let sum = |sum: &mut u64, workers: u32| {
            *sum = sum.saturating_add(passed.saturating_mul(workers.into()));
        };
        sum(&mut self.open.present_ns, self.n_registered);
        sum(&mut self.open.missing_ns, missing);
        self.counted = now.at;
        self.open.end_unix_ms = now.unix_ms.max(self.open.begin_unix_ms);
        self.n_registered = u32::try_from(n_registered).unwrap_or(u32::MAX);
    }

    /// What happened is counted here.
    pub(crate) const fn counts(&mut self) -> &mut Counts {
        &mut self.open.counts
    }

    /// A step was applied, or is told again.
    pub(crate) fn applied(&mut self, step: u64, is_recalled: bool) {
        self.take_in(News::Applied {
            step,
            is_recalled,
            unix_ms: Moment::now().unix_ms,
        });
    }

    /// A group goes on from a step.
    pub(super) fn rewind(&mut self, step: u64) {
        self.take_in(News::Began(step));
    }

    fn take_in(&mut self, news: News) {
        match &mut self.uncounted {
            Some(uncounted) if uncounted.len() < MOST_UNCOUNTED => uncounted.push(news),
            Some(_) => {}
            None => self.count(news),
        }
    }

    fn count(&mut self, news: News) {
        let (step, is_recalled, unix_ms) = match news {
            News::Began(step) => {
                self.applied = step;
                return;
            }
            News::Applied {
                step,
                is_recalled,
                unix_ms,
            } => (step, is_recalled, unix_ms),
        };
        if step <= self.applied {
            return;
        }
        self.applied = step;
        let best = self.open.best_step.max(self.before.best_step);
        if is_recalled && step <= best {
            // It was counted when it was applied.
            return;
        }
        self.open.counts.steps_applied += 1;
        if step <= best {
            self.open.counts.steps_repeated += 1;
        } else {
            self.open.best_step = step;
            self.open.progress_unix_ms = unix_ms;
        }
    }

    /// Takes in the sums of earlier coordinators.
    pub(super) fn load(&mut self, before: CapacityRow) {
        self.before += before;
        for news in self.uncounted.take().unwrap_or_default() {
            self.count(news);
        }
    }

    /// Stretches that ended since this was called before, and the one at hand.
    pub(super) fn take(&mut self, now: Moment) -> (Vec<CapacityRow>, CapacityRow) {
        if self
            .open
            .end_unix_ms
            .saturating_sub(self.open.begin_unix_ms)
            >= STRETCH_MS
        {
            let row = self.open;
            self.open = CapacityRow {
                fence: row.fence,
                wanted: row.wanted,
                begin_unix_ms: row.end_unix_ms,
                end_unix_ms: now.unix_ms.max(row.end_unix_ms),
                ..CapacityRow::default()
            };
            self.before += row;
            self.closed.push(row);
        }
        (std::mem::take(&mut self.closed), self.open)
    }

    /// All of the run.
    pub(crate) fn total(&self) -> CapacityRow {
        let mut total = self.before;
        total += self.open;
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn capacity(wanted: u32) -> (Capacity, Moment) {
        let now = Moment {
            at: Instant::now(),
            unix_ms: 1_000_000,
        };
        let mut capacity = Capacity::new(1, 0, wanted, now);
        capacity.load(CapacityRow::default());
        (capacity, now)
    }

    fn later(now: Moment, seconds: u64) -> Moment {
        Moment {
            at: now.at + Duration::from_secs(seconds),
            unix_ms: now.unix_ms + seconds * 1000,
        }
    }

    #[test]
    fn workers_that_are_asked_for_and_not_there_are_missing_and_no_second_is_counted_twice() {
        let (mut capacity, now) = capacity(4);
        capacity.tick(now, 1);
        capacity.tick(later(now, 10), 4);
        capacity.tick(later(now, 70), 5);
        let (closed, open) = capacity.take(later(now, 70));
        assert_eq!((closed.len(), open.begin_unix_ms), (1, 1_070_000));
        capacity.tick(later(now, 71), 5);
        let total = capacity.total();
        let second = 1_000_000_000;
        assert_eq!(total.present_ns, (10 + 4 * 60 + 5) * second);
        assert_eq!(total.missing_ns, 30 * second);
        assert_eq!(
            (total.begin_unix_ms, total.end_unix_ms),
            (1_000_000, 1_071_000)
        );
    }

    #[test]
    fn a_step_that_is_done_again_is_repeated_and_one_that_is_told_again_is_not() {
        let (mut capacity, _) = capacity(1);
        let (mut next, _) = self::capacity(1);
        (1..=5).for_each(|step| capacity.applied(step, false));
        capacity.applied(5, true);
        capacity.rewind(3);
        (4..=6).for_each(|step| capacity.applied(step, false));
        let total = capacity.total();
        let counts = (total.counts.steps_applied, total.counts.steps_repeated);
        assert_eq!((counts, total.best_step), ((8, 2), 6));
        // The next coordinator hears of some steps once more before it knows what was counted.
        next.uncounted = Some(Vec::new());
        (4..=8).for_each(|step| next.applied(step, true));
        next.load(total);
        next.applied(9, false);
        let total = next.total();
        assert_eq!((total.counts.steps_applied, total.best_step), (11, 9));
        assert_eq!(total.counts.steps_repeated, 2);
    }
}
