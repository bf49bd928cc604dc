//! The ranks that train together, and which slots of a global batch each of them computes.

use collective::{CollectiveError, ProcessGroup, SlotTree, TcpGroup};
use std::ops::Range;

/// The ranks that train together, seen from one of them.
pub struct Group {
    /// How they reach each other.
    pub process: Box<dyn ProcessGroup>,
    /// The order in which gradients are added.
    pub tree: SlotTree,
    /// Slots of every rank; this rank's are at its rank.
    pub slots: Vec<Range<usize>>,
}

impl Group {
    /// One rank that computes all slots.
    pub fn alone(n_slots: usize) -> Self {
        Self {
            process: Box::new(TcpGroup::alone(n_slots)),
            tree: SlotTree::new(n_slots),
            slots: std::iter::once(0..n_slots).collect(),
        }
    }

    /// This rank's slots.
    pub fn own_slots(&self) -> Range<usize> {
        self.slots[self.process.rank()].clone()
    }

    /// Ends a step between two slots once the group is broken off: nothing that follows would be of use.
    pub(crate) fn require_whole(&self) -> Result<(), CollectiveError> {
        if self.process.abort_handle().is_aborted() {
            return Err(CollectiveError::Aborted);
        }
        Ok(())
    }
}
