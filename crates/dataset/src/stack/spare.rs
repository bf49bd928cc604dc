//! Owns the buffers of stacks that are done with, for the stacks to come.
//!
//! A fresh buffer of megabytes comes from the system page by page, and goes back: measured, that costs as much as the
//! checking of the checksums.

use std::sync::{Mutex, PoisonError};

/// Buffers kept: those of four stacks, one after the other given back by who trains while the loader asks for more.
const MOST: usize = 8;

/// Keeps a few buffers.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    buffers: Mutex<Vec<Vec<f32>>>,
}

impl Spare {
    /// Takes the buffers of a stack, fresh ones where none is kept; what they hold is left over.
    pub(crate) fn take(&self) -> [Vec<f32>; 2] {
        let mut kept = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        [kept.pop(), kept.pop()].map(Option::unwrap_or_default)
    }

    /// Keeps the buffers of a stack, unless enough are kept.
    pub(crate) fn keep(&self, buffers: [Vec<f32>; 2]) {
        let mut kept = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MOST.saturating_sub(kept.len());
        kept.extend(buffers.into_iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_handed_out_again_and_no_more_than_a_few_are_kept() {
        let spare = Spare::default();
        for _ in 0..10 {
            spare.keep([vec![1.0; 8], vec![2.0; 8]]);
        }
        let taken: Vec<usize> = (0..5)
            .flat_map(|_| spare.take().map(|buffer| buffer.len()))
            .collect();
        assert_eq!(taken, [8, 8, 8, 8, 8, 8, 8, 8, 0, 0]);
    }
}
