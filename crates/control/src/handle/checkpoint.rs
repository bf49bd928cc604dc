//! A checkpoint is committed once every rank's share is on the store.

use crate::cluster::{Cluster, Phase};
use crate::command::{Command, Source};
use crate::ids::{Generation, Step, WorkerId};

impl Cluster {
    /// Notes a share; the last one asks for the manifest, once.
    pub(crate) fn parts_written(
        &mut self,
        worker: WorkerId,
        generation: Generation,
        step: Step,
    ) -> Vec<Command> {
        if self.phase != Phase::Training || generation != self.generation {
            return Vec::new();
        }
        if let Some(member) = self.membership.member_mut(worker) {
            member.reported.written.insert(step);
        }
        let is_whole = self
            .membership
            .all(|member| member.reported.written.contains(&step));
        // A share that is reported again after its commit asks for nothing.
        let is_new = step > self.newest.step();
        if is_whole && is_new && self.committing.insert((generation, step)) {
            return vec![Command::CommitCheckpoint { generation, step }];
        }
        Vec::new()
    }

    /// The manifest is durable: later generations begin here, and a run that waited for it may end.
    pub(crate) fn checkpoint_committed(
        &mut self,
        generation: Generation,
        step: Step,
    ) -> Vec<Command> {
        if !self.committing.remove(&(generation, step)) {
            return Vec::new();
        }
        if step >= self.newest.step() {
            self.newest = Source::Checkpoint { step, generation };
        }
        self.end_if_complete()
    }
}
