//! A coordinator's clock: it began at some time, runs a little fast or slow, and now and then jumps forwards.

use crate::random::Random;
use fratmae_control::Millis;

/// How far a clock's rate is off at most, in thousandths.
const DRIFT: u64 = 50;
/// What a clock may show when its process starts, at most.
const OFFSET: u64 = 1 << 40;

/// What one process takes for the time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    shows: u64,
    /// Its milliseconds in a thousand true ones.
    rate: u64,
}

impl Clock {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self {
            shows: random.below(OFFSET),
            rate: random.between(1000 - DRIFT, 1000 + DRIFT),
        }
    }

    /// What it shows at a true time.
    pub(crate) const fn at(&self, time: u64) -> Millis {
        Millis::new(self.shows + time * self.rate / 1000)
    }

    pub(crate) const fn jump(&mut self, milliseconds: u64) {
        self.shows += milliseconds;
    }

    /// How long it truly takes until so much has passed on it.
    pub(crate) const fn truly(&self, milliseconds: u64) -> u64 {
        milliseconds * 1000 / self.rate
    }
}
