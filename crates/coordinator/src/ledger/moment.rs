//! A moment by the two clocks of a coordinator: one that never goes back, and one that others understand.

use crate::clock::unix_us;
use std::time::Instant;

/// By both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    pub(crate) unix_ms: u64,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self {
            at: Instant::now(),
            unix_ms: unix_us() / 1000,
        }
    }
}
