//! A run ends when every member says the same and the last checkpoint is committed.

use crate::cluster::{Cluster, RunPhase};
use crate::command::{Cause, Command, Verdict};
use crate::ids::{Generation, Step, WorkerId};
use crate::membership::Member;

impl Cluster {
    /// Notes that a worker applied the last step.
    pub(crate) fn finished(
        &mut self,
        worker: WorkerId,
        generation: Generation,
        weights_digest: String,
    ) -> Vec<Command> {
        if generation != self.generation || self.membership.rank_of(worker).is_none() {
            return Vec::new();
        }
        let digests = &mut self.membership.reports.weights_digests;
        digests.insert(worker, weights_digest);
        self.end_if_complete()
    }

    /// Notes that a worker stopped as asked.
    pub(crate) fn drained(
        &mut self,
        worker: WorkerId,
        generation: Generation,
        step: Step,
    ) -> Vec<Command> {
        if generation != self.generation || self.membership.rank_of(worker).is_none() {
            return Vec::new();
        }
        self.membership.reports.drained.insert(worker, step);
        self.end_if_complete()
    }

    /// Asks the group to stop after its step; a run that has none yet, or has not begun one since it was restored, stops
    /// at once.
    pub(crate) fn drain_requested(&mut self) -> Vec<Command> {
        if self.phase == RunPhase::Gathering || self.has_nothing_to_save() {
            return self.interrupt(Cause::Asked);
        }
        self.draining = Some(Cause::Asked);
        match self.phase {
            RunPhase::Training => self.drain_all(),
            // The group that forms or returns is asked when it is whole, if there is anything to save by then.
            RunPhase::Returning
            | RunPhase::Gathering
            | RunPhase::Recording
            | RunPhase::Preparing
            | RunPhase::Ended => Vec::new(),
        }
    }

    /// Whether the newest checkpoint holds all that was applied, and no member has begun the step after it, as all say.
    #[must_use]
    pub fn has_nothing_to_save(&self) -> bool {
        let is_saved = self.applied == self.newest.step() && self.committing.is_empty();
        let is_before_its_steps = |member: &Member| match &member.progress {
            Some((_, progress)) => {
                progress.generation == self.generation && !progress.phase.is_of_a_step()
            }
            None => false,
        };
        let mut members = self.membership.group_members();
        self.phase == RunPhase::Training
            && is_saved
            && members.all(|(_, member)| is_before_its_steps(member))
    }

    /// Ends the run at its newest checkpoint.
    pub(crate) fn interrupt(&mut self, cause: Cause) -> Vec<Command> {
        let step = self.newest.step();
        self.end(Verdict::Interrupted { step, cause })
    }

    /// Asks every member to stop after its step.
    pub(crate) fn drain_all(&self) -> Vec<Command> {
        let drain = |&worker: &WorkerId| Command::Drain { worker };
        self.membership.group().iter().map(drain).collect()
    }

    /// Ends the run if nothing is outstanding.
    pub(crate) fn end_if_complete(&mut self) -> Vec<Command> {
        if self.phase != RunPhase::Training {
            return Vec::new();
        }
        let newest = self.newest.step();
        let reports = &self.membership.reports;
        let is_finished = self.membership.is_everybody(reports.weights_digests.len());
        if is_finished && newest == self.settings.last_step {
            return self.end_finished();
        }
        let is_drained = self.membership.is_everybody(reports.drained.len());
        if is_drained && reports.drained.values().all(|step| *step == newest) {
            return self.interrupt(self.draining.unwrap_or(Cause::Asked));
        }
        Vec::new()
    }

    /// All members applied the last step: they must hold the same weights.
    fn end_finished(&mut self) -> Vec<Command> {
        let digests: Vec<_> = self
            .membership
            .group_members()
            .filter_map(|(worker, member)| {
                let digest = self.membership.reports.weights_digests.get(&worker)?;
                Some((member.name.clone(), digest.clone()))
            })
            .collect();
        let Some((first, digest)) = digests.first() else {
            return Vec::new();
        };
        if let Some((other, theirs)) = digests.iter().find(|(_, theirs)| theirs != digest) {
            let reason = format!(
                "workers {first} and {other} ended with different weights ({digest} and {theirs})"
            );
            return self.end(Verdict::Failed { reason });
        }
        let (step, weights_digest) = (self.settings.last_step, digest.clone());
        self.end(Verdict::Finished {
            step,
            weights_digest,
        })
    }
}
