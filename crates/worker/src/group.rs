//! This rank's place in the generation that trains. How a generation is joined is `generation.rs`'s.

use fratmae_collective::{CollectiveError, ProcessGroup, SlotTree};
use fratmae_dataset::Loader;
use std::ops::Range;

/// This rank's place in the generation that trains.
pub(crate) struct Group {
    pub(crate) process: Box<dyn ProcessGroup>,
    pub(crate) tree: SlotTree,
    /// Slots of every rank; this rank's are at its rank.
    pub(crate) slots: Vec<Range<usize>>,
    pub(crate) generation: u64,
    pub(crate) loader: Loader,
}

impl Group {
    /// Ends a step between two slots once the group is broken off: nothing that follows would be of use.
    pub(crate) fn require_whole(&self) -> Result<(), CollectiveError> {
        if self.process.abort_handle().is_aborted() {
            return Err(CollectiveError::Aborted);
        }
        Ok(())
    }
}
