//! A checkpoint is committed once every rank's share is on the store.

use crate::cluster::{Cluster, RunPhase};
use crate::command::{Command, Source};
use crate::ids::{Generation, Step, WorkerId};
use std::collections::BTreeSet;

impl Cluster {
    /// Notes a share; the last one asks for the manifest, once.
    pub(crate) fn parts_written(
        &mut self,
        worker: WorkerId,
        generation: Generation,
        step: Step,
    ) -> Vec<Command> {
        let is_seated = self.membership.rank_of(worker).is_some();
        let is_heard = matches!(self.phase, RunPhase::Training | RunPhase::Returning);
        if !is_heard || generation != self.generation || !is_seated {
            return Vec::new();
        }
        let writers = self.membership.reports.written.entry(step).or_default();
        writers.insert(worker);
        self.commit_if_complete(step)
    }

    /// Asks for the manifests of checkpoints whose shares were all reported before there was a group.
    pub(crate) fn commit_complete(&mut self) -> Vec<Command> {
        let steps: Vec<_> = self.membership.reports.written.keys().copied().collect();
        steps
            .into_iter()
            .flat_map(|step| self.commit_if_complete(step))
            .collect()
    }

    fn commit_if_complete(&mut self, step: Step) -> Vec<Command> {
        let writers = self.membership.reports.written.get(&step);
        let written = writers.map_or(0, BTreeSet::len);
        if self.membership.is_everybody(written) && self.is_wanted(step) {
            let generation = self.generation;
            self.committing.insert((generation, step));
            return vec![Command::CommitCheckpoint { generation, step }];
        }
        Vec::new()
    }

    /// Neither is its step committed already, nor is that of an older generation on its way to the store.
    fn is_wanted(&self, step: Step) -> bool {
        let newest_asked = self.committing.iter().map(|(_, asked)| *asked).max();
        step > self.newest.step() && newest_asked.is_none_or(|asked| step > asked)
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
            self.saved = self.last_tick;
        }
        self.membership
            .reports
            .written
            .retain(|&written, _| written > step);
        let mut commands = self.answer_save();
        commands.extend(self.end_if_complete());
        commands
    }
}
