//! What a run's journal says, taken together. Reads and writes nothing; `writer` has the rules for writing it.

mod writer;

use crate::cluster::Recorded;
use crate::command::Source;
use crate::ids::{Fence, Generation, Step};
use std::collections::BTreeSet;
use std::fmt;
pub use writer::{JournalAnswer, JournalProgress, JournalRequest, JournalTask, JournalWriter};

/// A checkpoint's identity, in the order of age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckpointId {
    /// The step it holds.
    pub step: Step,
    /// The generation whose ranks wrote it.
    pub generation: Generation,
}

/// It sorts by age.
impl fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (step, generation) = (self.step.get(), self.generation.get());
        write!(f, "step-{step:012}.generation-{generation:06}")
    }
}

impl From<Option<CheckpointId>> for Source {
    fn from(newest: Option<CheckpointId>) -> Self {
        newest.map_or(Self::Initial, |CheckpointId { step, generation }| {
            Self::Checkpoint { step, generation }
        })
    }
}

/// What a record says, as far as the run's course follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalFact {
    /// A generation begins.
    Generation {
        generation: Generation,
        /// How many members it has.
        members: u32,
    },
    /// A checkpoint is committed.
    Committed(CheckpointId),
    /// A checkpoint is given up: its objects may vanish at any moment.
    Removed(CheckpointId),
    /// The run was taken back to a checkpoint: all that was committed after its step is given up.
    RolledBack(CheckpointId),
    /// Every step was applied.
    Finished,
    /// The coordinator stopped before the end, and told its workers to end.
    Interrupted,
    /// Something that only people read.
    Other,
}

/// What the records of a journal come to, taken together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalState {
    /// The highest generation in any record, and those of its members that nobody told to end.
    recorded: Recorded,
    committed: BTreeSet<CheckpointId>,
    removed: BTreeSet<CheckpointId>,
    given_up: Generation,
    rolled_back: Option<Step>,
    newest_fence: Fence,
    n_records: u64,
    n_torn: u64,
}

impl JournalState {
    /// Takes in the next record, and the fence it was written under.
    pub fn add(&mut self, fence: Fence, fact: JournalFact) {
        self.n_records += 1;
        self.newest_fence = self.newest_fence.max(fence);
        match fact {
            JournalFact::Generation {
                generation,
                members,
            } => {
                self.saw(generation);
                self.recorded.members = members;
                self.rolled_back = None;
            }
            JournalFact::Committed(id) => {
                self.saw(id.generation);
                self.committed.insert(id);
            }
            JournalFact::Removed(id) => {
                self.saw(id.generation);
                self.removed.insert(id);
            }
            JournalFact::RolledBack(kept) => {
                let later = self.committed.iter().filter(|id| **id > kept);
                self.removed.extend(later);
                self.given_up = self.recorded.generation;
                self.rolled_back = Some(kept.step);
                self.recorded.members = 0;
            }
            JournalFact::Finished | JournalFact::Interrupted => self.recorded.members = 0,
            JournalFact::Other => {}
        }
    }

    /// Takes in a record that cannot be read. It may have been a fence or a generation, so it counts as both.
    pub const fn add_torn(&mut self) {
        self.n_torn += 1;
    }

    fn saw(&mut self, generation: Generation) {
        self.recorded.generation = self.recorded.generation.max(generation);
    }

    /// All that was ever committed.
    #[must_use]
    pub const fn committed(&self) -> &BTreeSet<CheckpointId> {
        &self.committed
    }

    /// All that is given up: one by one, or by taking the run back to a checkpoint before it.
    #[must_use]
    pub const fn removed(&self) -> &BTreeSet<CheckpointId> {
        &self.removed
    }

    /// The newest generation of before the run was last taken back: what its workers hold is given up.
    #[must_use]
    pub const fn given_up(&self) -> Generation {
        self.given_up
    }

    /// The step that the run was taken back to, if no generation has begun since.
    #[must_use]
    pub const fn rolled_back(&self) -> Option<Step> {
        self.rolled_back
    }

    /// The highest generation there was, and those of its members that may still train: nobody told them to end.
    ///
    /// No later generation may share a number with any object that exists, whose generations are `others`, nor with one
    /// whose record cannot be read.
    #[must_use]
    pub fn recorded(&self, others: impl IntoIterator<Item = Generation>) -> Recorded {
        let recorded = self.recorded.generation;
        let highest = others.into_iter().fold(recorded, Ord::max).get();
        Recorded {
            generation: Generation::new(highest.saturating_add(self.n_torn)),
            members: self.recorded.members,
        }
    }

    /// How to take the run over: with a fence above every one that there may have been.
    #[must_use]
    pub const fn writer(&self) -> JournalWriter {
        let held = self.newest_fence.get().saturating_add(self.n_torn);
        JournalWriter::new(Fence::new(held).next(), self.n_records + self.n_torn)
    }

    pub(crate) fn record_commit(&mut self, id: CheckpointId) {
        self.committed.insert(id);
    }
}

#[cfg(test)]
mod tests;
