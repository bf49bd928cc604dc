//! The pauses of the thread that writes checkpoints: it rests in proportion to what it works.
//! Owns the waiting; how much work there may be is `pace`'s.

use crate::pace::{Pace, Remaining};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shorter rests are saved up: waking costs more than they give.
const SHORTEST: Duration = Duration::from_millis(2);

/// Bytes a second that a store's client takes from the processor for an upload: the copy into the system, or encryption.
const UPLOAD_RATE: f64 = 1e9;

/// What the training thread tells the writer while it works.
#[derive(Debug)]
pub(crate) struct Reins {
    /// A std lock, held for no longer than a look or a change.
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Debug)]
struct Held {
    pace: Pace,
    order: Order,
}

/// How a writer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// At the pace.
    Paced,
    /// Without a pause, for somebody waits.
    Hurry,
    /// Not at all: nobody will ask for this checkpoint.
    Abandon,
}

impl Reins {
    pub(crate) fn new(pace: Pace) -> Arc<Self> {
        Arc::new(Self {
            held: Mutex::new(Held {
                pace,
                order: Order::Paced,
            }),
            changed: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how the writer goes on; it wakes up for that.
    pub(crate) fn order(&self, order: Order) {
        self.lock().order = order;
        self.changed.notify_all();
    }

    /// A checkpoint begins, at the pace.
    pub(crate) fn begin(&self) {
        let mut held = self.lock();
        held.pace.begin();
        held.order = Order::Paced;
    }

    /// Takes the time of a step in.
    pub(crate) fn step(&self, seconds: f64, is_disturbed: bool) {
        let pace = &mut self.lock().pace;
        if is_disturbed {
            pace.disturbed_step(seconds);
        } else {
            pace.quiet_step(seconds);
        }
    }
}

/// The writer's account of work and rest over one checkpoint.
#[derive(Debug)]
pub(crate) struct Throttle {
    reins: Arc<Reins>,
    began: Instant,
    /// When the work that is not yet rested from began.
    working: Instant,
    /// Seconds worked over all.
    worked: f64,
    /// Bytes hashed and uploaded over all.
    done: u64,
    total: u64,
    /// Seconds of rest that are owed.
    owed: f64,
}

/// The checkpoint is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abandoned;

impl Throttle {
    /// For a checkpoint of `total` bytes, each to be hashed and uploaded.
    pub(crate) fn new(reins: Arc<Reins>, total: u64) -> Self {
        let now = Instant::now();
        Self {
            reins,
            began: now,
            working: now,
            worked: 0.0,
            done: 0,
            total,
            owed: 0.0,
        }
    }

    /// Begins to count work after a wait that was none.
    pub(crate) fn resume(&mut self) {
        self.working = Instant::now();
    }

    /// Rests from the work since the last call, which was hashing.
    pub(crate) fn hashed(&mut self) -> Result<(), Abandoned> {
        self.rest(self.working.elapsed().as_secs_f64())
    }

    /// Rests from an upload that others carry out.
    pub(crate) fn uploaded(&mut self, bytes: u64) -> Result<(), Abandoned> {
        self.done += bytes;
        self.rest(bytes as f64 / UPLOAD_RATE)
    }

    fn rest(&mut self, worked: f64) -> Result<(), Abandoned> {
        self.worked += worked;
        let left = Remaining {
            bytes: self.total.saturating_sub(self.done),
            seconds_per_byte: self.worked / self.done.max(1) as f64,
            elapsed: self.began.elapsed().as_secs_f64(),
        };
        let reins = Arc::clone(&self.reins);
        let held = reins.lock();
        // The price of a byte is known once some are through.
        let share = match self.done {
            0 => held.pace.share(Remaining { bytes: 0, ..left }),
            _ => held.pace.share(left),
        };
        self.owed += worked * (1.0 / share - 1.0);
        let rest = Duration::try_from_secs_f64(self.owed).unwrap_or_default();
        let is_paced = |held: &mut Held| held.order == Order::Paced;
        let held = if rest > SHORTEST {
            self.owed = 0.0;
            let waited = reins.changed.wait_timeout_while(held, rest, is_paced);
            waited.unwrap_or_else(PoisonError::into_inner).0
        } else {
            held
        };
        let order = held.order;
        drop(held);
        self.working = Instant::now();
        match order {
            Order::Abandon => Err(Abandoned),
            Order::Paced | Order::Hurry => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(share: f64) -> (Arc<Reins>, Throttle) {
        let reins = Reins::new(Pace::new(share, 1, 1));
        (Arc::clone(&reins), Throttle::new(reins, 1 << 40))
    }

    #[test]
    fn nobody_rests_in_a_hurry_however_much_is_owed() {
        let (reins, mut throttle) = throttle(0.01);
        reins.order(Order::Hurry);
        // At the pace this would be a rest of more than a day.
        assert_eq!(throttle.uploaded(1_000_000_000_000), Ok(()));
    }

    #[test]
    fn hurry_ends_a_rest_that_has_begun() {
        let (reins, mut throttle) = throttle(0.01);
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || throttle.uploaded(1_000_000_000_000));
            reins.order(Order::Hurry);
            assert_eq!(writer.join().unwrap(), Ok(()));
        });
    }

    #[test]
    fn an_abandoned_writer_is_told_at_its_next_rest() {
        let (reins, mut throttle) = throttle(1.0);
        assert_eq!(throttle.uploaded(1), Ok(()));
        reins.order(Order::Abandon);
        assert_eq!(throttle.hashed(), Err(Abandoned));
    }
}
