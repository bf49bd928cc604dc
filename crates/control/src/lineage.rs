//! How far the weights are: what was applied, and what of it is on the store.

use crate::command::Source;
use crate::ids::{Generation, Step};
use std::collections::BTreeSet;

/// A checkpoint: the generation that wrote it, and its step.
pub(crate) type CheckpointId = (Generation, Step);

/// The weights that a run goes on with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lineage {
    /// The newest generation made, whether or not it trains yet.
    pub(crate) generation: Generation,
    /// Whether it has applied a step of its own.
    pub(crate) has_stepped: bool,
    /// The newest step known to be applied in the lineage that goes on.
    pub(crate) applied: Step,
    /// The newest committed checkpoint; a generation begins from it unless a member holds a newer state.
    pub(crate) newest: Source,
    /// The checkpoint that is passed over while an older one is looked for; no group begins before that is found.
    pub(crate) damaged_checkpoint: Option<CheckpointId>,
    /// Manifests asked for and not yet durable.
    pub(crate) committing: BTreeSet<CheckpointId>,
}

impl Lineage {
    pub(crate) const fn new(generation: Generation, newest: Source) -> Self {
        Self {
            generation,
            has_stepped: false,
            applied: newest.step(),
            newest,
            damaged_checkpoint: None,
            committing: BTreeSet::new(),
        }
    }

    /// Whether the newest checkpoint holds all that was applied.
    pub(crate) fn is_saved(&self) -> bool {
        self.applied == self.newest.step() && self.committing.is_empty()
    }

    /// Whether neither this step nor a later one is committed already or on its way to the store.
    pub(crate) fn lacks(&self, step: Step) -> bool {
        let newest_asked = self.committing.iter().map(|(_, asked)| *asked).max();
        step > self.newest.step() && newest_asked.is_none_or(|asked| step > asked)
    }

    /// The step that a checkpoint of now must hold at least; nothing is stored of step 0.
    pub(crate) fn newest_possible(&self) -> Step {
        match self.newest {
            Source::Initial => self.applied.max(Step::new(1)),
            Source::Checkpoint { .. } | Source::Peers { .. } => self.applied,
        }
    }

    /// Notes that a checkpoint is damaged; says whether an older one has to be found.
    pub(crate) fn pass_over(&mut self, checkpoint: CheckpointId) -> bool {
        let is_needed = self.newest == source(checkpoint) && self.damaged_checkpoint.is_none();
        if is_needed {
            self.damaged_checkpoint = Some(checkpoint);
        }
        is_needed
    }

    /// An older checkpoint was found, which is the newest good one unless one that was under way has been committed
    /// meanwhile. Says whether it was looked for.
    pub(crate) fn passed_over(&mut self, checkpoint: CheckpointId, newest: Source) -> bool {
        if self.damaged_checkpoint != Some(checkpoint) {
            return false;
        }
        self.damaged_checkpoint = None;
        if self.newest == source(checkpoint) {
            self.newest = newest;
        }
        true
    }
}

pub(crate) const fn source((generation, step): CheckpointId) -> Source {
    Source::Checkpoint { step, generation }
}
