//! Owns the bound on what reading ahead takes: how much a stack takes at its largest and when it waits, and who may begin.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::cache::BLOCK;
use crate::reader::DataSet;
use crate::stack::StackOptions;

/// The unit of the budget, so that the count fits the semaphore's.
const UNIT: u64 = 1024;

/// What a stack takes besides its voxels: names, a task, its place in the queue.
const OVERHEAD: u64 = 4096;

/// Blocks of the cache that a column of a stack may begin or end in without needing them whole.
const CACHED_EDGES: u64 = 2;

/// What may lie before the next column of a stack and be fetched with it.
const GAP: u64 = 1 << 20;

/// Bytes of a voxel: of PET and CT as halves, of both as windowed, and of a label as stored and as kept.
const HALVES: u64 = 4;
const WINDOWED: u64 = 8;
const LABEL_STORED: u64 = 4;
const LABEL: u64 = 1;

/// Bytes of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footprint {
    /// On its way: fetched, unpacked, cut and windowed, all as if they were there at once.
    pub(super) largest: u64,
    pub(super) finished: u64,
}

impl StackOptions {
    /// Returns what a stack takes at most; compressed slices count as if they were not.
    pub(super) fn footprint(&self, data: &DataSet) -> Footprint {
        let grid = data.manifest.grid.map(|side| side as u64);
        let rows = self.axis.coronal_rows(&[0, 1], data.manifest.grid).len() as u64;
        let depth = self.depth as u64;
        // Only coronal stacks read single slices; what lies between is fetched with them.
        let (read, fetched) = if rows == 2 && grid[1] != 2 {
            (depth, depth.saturating_mul(self.stride as u64).min(grid[1]))
        } else {
            (grid[1], grid[1])
        };
        // PET, CT and checksum; a label is one more.
        let (columns, stored, label) = match self.with_label {
            true => (4, HALVES + LABEL_STORED, LABEL),
            false => (3, HALVES, 0),
        };
        let plane = grid[0] * grid[2];
        let across: usize = self
            .axis
            .stack_shape(1, data.manifest.grid)
            .iter()
            .product();
        let voxels = (across as u64).saturating_mul(depth);
        let edges = if data.is_cached() {
            columns * CACHED_EDGES * BLOCK
        } else {
            0
        };
        let finished = OVERHEAD + voxels.saturating_mul(WINDOWED + label);
        // As they are cut and as they are windowed.
        let cut = voxels.saturating_mul(2 * (HALVES + label));
        let unpacked = read.saturating_mul(plane * (HALVES + label));
        let gaps = (columns - 1) * GAP;
        let largest = finished
            .saturating_add(cut)
            .saturating_add(unpacked)
            .saturating_add(fetched.saturating_mul(plane * stored))
            .saturating_add(edges)
            .saturating_add(gaps.min(grid[1].saturating_mul(plane * stored)));
        Footprint { largest, finished }
    }
}

/// The bytes that all stacks together may take.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    free: Arc<Semaphore>,
    units: u32,
}

/// The part of it that a stack has taken; it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct MemoryPermit {
    // None only if the semaphore were closed, which nobody does.
    permit: Option<OwnedSemaphorePermit>,
}

impl MemoryBudget {
    pub(super) fn new(bytes: u64) -> Self {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        let free = Arc::new(Semaphore::new(units as usize));
        Self { free, units }
    }

    /// Waits for room, in turn; what is larger than all of it takes all of it.
    pub(super) async fn take(&self, bytes: u64) -> MemoryPermit {
        let units = units(bytes).min(self.units);
        let permit = Arc::clone(&self.free).acquire_many_owned(units).await;
        MemoryPermit {
            permit: permit.ok(),
        }
    }
}

impl MemoryPermit {
    /// Gives back what is above `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: u64) {
        if let Some(permit) = &mut self.permit {
            let spare = permit.num_permits().saturating_sub(units(bytes) as usize);
            drop(permit.split(spare));
        }
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn room_is_taken_shrunk_and_given_back() {
        let budget = MemoryBudget::new(10 * UNIT);
        let mut first = budget.take(8 * UNIT).await;
        assert!(budget.take(3 * UNIT).now_or_never().is_none());
        first.shrink_to(7 * UNIT);
        let second = budget.take(3 * UNIT).now_or_never().unwrap();
        assert!(budget.take(1).now_or_never().is_none());
        drop((first, second));
        assert_eq!(budget.free.available_permits(), 10);
    }

    #[tokio::test]
    async fn what_is_larger_than_all_room_takes_all_of_it() {
        let budget = MemoryBudget::new(10 * UNIT);
        let mut large = budget.take(u64::MAX).await;
        assert!(budget.take(1).now_or_never().is_none());
        large.shrink_to(11 * UNIT);
        assert_eq!(budget.free.available_permits(), 0);
        drop(large);
        assert_eq!(budget.free.available_permits(), 10);
    }
}
