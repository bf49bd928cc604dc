//! Which checkpoints a simulated coordinator keeps: the rules of the real one, which are the `checkpoint` crate's.

use crate::mutation::Mutation;
use fratmae_control::CheckpointId;
use std::collections::BTreeSet;

/// What a coordinator knows of its run's checkpoints.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    /// How many of the newest stay.
    last: usize,
    /// Committed, good as far as is known, and not given up.
    kept: BTreeSet<CheckpointId>,
    /// Damaged, or given up.
    unusable: BTreeSet<CheckpointId>,
}

impl Retention {
    /// What a coordinator knows that begins to lead.
    pub(crate) fn new(
        last: usize,
        committed: &BTreeSet<CheckpointId>,
        unusable: BTreeSet<CheckpointId>,
        mutation: Option<Mutation>,
    ) -> Self {
        Self {
            last: match mutation {
                Some(Mutation::KeepNone) => 0,
                _ => last,
            },
            kept: committed.difference(&unusable).copied().collect(),
            unusable,
        }
    }

    pub(crate) fn committed(&mut self, id: CheckpointId) {
        self.kept.insert(id);
    }

    /// A checkpoint is damaged, or its record of being given up is durable.
    pub(crate) fn drop(&mut self, id: CheckpointId) {
        self.kept.remove(&id);
        self.unusable.insert(id);
    }

    /// Those that nobody may begin from.
    pub(crate) const fn unusable(&self) -> &BTreeSet<CheckpointId> {
        &self.unusable
    }

    /// The oldest one that is not kept.
    pub(crate) fn surplus(&self) -> Option<CheckpointId> {
        let oldest = self.kept.first().copied();
        oldest.filter(|_| self.kept.len() > self.last)
    }
}
