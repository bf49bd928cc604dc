//! A checkpoint is committed once every rank's share is on the store.

use crate::cluster::Cluster;
use crate::command::{Command, Source};
use crate::event::Departure;
use crate::ids::{Generation, Millis, Step, WorkerId};
use crate::state::State;

impl Cluster {
    /// Notes a share; the last one asks for the manifest, once.
    pub(crate) fn parts_written(&mut self, worker: WorkerId, step: Step) -> Vec<Command> {
        if let Some(reports) = self.state.reports_mut() {
            reports.wrote(worker, step);
        }
        self.commit_if_complete()
    }

    /// Asks for the manifests of checkpoints whose shares were all reported.
    pub(crate) fn commit_if_complete(&mut self) -> Vec<Command> {
        let State::Training(training) = &self.state else {
            return Vec::new();
        };
        let (membership, lineage) = (&self.membership, &mut self.lineage);
        let generation = lineage.generation;
        let mut commands = Vec::new();
        for (&step, writers) in &training.reports.written {
            if membership.is_everybody(writers.len()) && lineage.lacks(step) {
                lineage.committing.insert((generation, step));
                commands.push(Command::CommitCheckpoint { generation, step });
            }
        }
        commands
    }

    /// The manifest is durable: later generations begin here, and a run that waited for it may end.
    pub(crate) fn checkpoint_committed(
        &mut self,
        generation: Generation,
        step: Step,
    ) -> Vec<Command> {
        if !self.lineage.committing.remove(&(generation, step)) {
            return Vec::new();
        }
        if step >= self.lineage.newest.step() {
            self.lineage.newest = Source::Checkpoint { step, generation };
            self.last_save = self.last_tick;
        }
        if let Some(reports) = self.state.reports_mut() {
            reports.written.retain(|&written, _| written > step);
        }
        let mut commands = self.answer_save();
        commands.extend(self.end_if_complete());
        commands
    }

    /// The parts of a checkpoint do not come together: its state is written once more, by a new generation, as whoever
    /// waits for it would wait for good.
    ///
    /// The member whose part it is goes, unless it is the only one: then it may try again, but not for ever.
    pub(crate) fn checkpoint_lost(
        &mut self,
        now: Millis,
        checkpoint: (Generation, Step),
        culprit: Option<(WorkerId, String)>,
    ) -> Vec<Command> {
        let was_asked_for = self.lineage.committing.remove(&checkpoint);
        if !was_asked_for || checkpoint.0 != self.lineage.generation {
            return Vec::new();
        }
        let can_go = |(worker, _): &(WorkerId, String)| {
            let is_seated = self.membership.rank_of(*worker).is_some();
            is_seated && self.membership.others(*worker).next().is_some()
        };
        match culprit.filter(can_go) {
            Some((worker, reason)) => self.evict(now, vec![(worker, Departure::Unfit { reason })]),
            None => self.regroup_broken(
                now,
                "its checkpoint is lost, as its parts are not on the store",
            ),
        }
    }
}
