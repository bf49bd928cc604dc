//! Checkpoints that are given up: first in the journal, then the manifest goes, so that no reader finds it, and the parts
//! go after a delay, which nobody sees here.

use super::{Happening, World};
use crate::coordinator::Coordinator;
use crate::mutation::Mutation;
use crate::observation::Observation;
use fratmae_control::{CheckpointId, JournalFact, JournalTask};

/// How long a manifest outlives the record that gives it up, at most.
const SWEEP: u64 = 10_000;

impl World {
    /// Gives the oldest checkpoint up that is not kept, if there is one.
    pub(super) fn give_up_surplus(&mut self, coordinator: usize) -> bool {
        let leader = &mut self.coordinators[coordinator];
        let surplus = leader.retention.surplus();
        if let Some(id) = surplus.filter(|_| leader.is_collection_due) {
            self.at_journal(coordinator, JournalTask::Append, JournalFact::Removed(id));
            return true;
        }
        leader.is_collection_due = false;
        false
    }

    /// The record is on the store, whether or not its writer knows.
    pub(super) fn observe_giving_up_of(&mut self, checkpoint: CheckpointId) {
        let n_kept = self.store.n_kept();
        self.laws
            .observe(&Observation::GivenUp { checkpoint, n_kept });
        // Where a newer one is damaged and nobody knows yet, what is left is older.
        self.observe_damage();
    }

    /// The record is durable, and its writer knows.
    pub(super) fn given_up(&mut self, coordinator: usize, checkpoint: CheckpointId) {
        self.coordinators[coordinator].retention.drop(checkpoint);
        let delay = self.random.below(SWEEP);
        self.agenda.after(delay, Happening::Sweep(checkpoint));
    }

    pub(super) fn sweep(&mut self, checkpoint: CheckpointId) {
        self.store.delete_manifest(checkpoint);
    }

    /// The newest good checkpoint is found as one was said to be damaged: what is damaged counts as kept no more.
    pub(super) fn passed_over(&mut self, coordinator: usize, accused: CheckpointId) {
        let mut but = self.coordinators[coordinator].retention.unusable().clone();
        match self.mutation {
            Some(Mutation::BelieveDamage) => but.extend([accused]),
            Some(Mutation::ForgetRemoved) => but.clear(),
            _ => {}
        }
        let found = self.store.find(&but);
        let Coordinator {
            retention, tasks, ..
        } = &mut self.coordinators[coordinator];
        found.damaged.iter().for_each(|id| retention.drop(*id));
        tasks.found_newest(accused, found.good);
        // One that was committed meanwhile passes over nothing.
        if found.good < Some(accused) {
            self.laws.observe(&Observation::PassedOver {
                checkpoint: accused,
                is_damaged: self.store.is_damaged(Some(accused).into()),
            });
        }
    }
}
