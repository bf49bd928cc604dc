//! A run ends when every member says the same and the last checkpoint is committed.

use crate::cluster::{Cluster, Phase};
use crate::command::{Command, Verdict};
use crate::ids::{Generation, Step, WorkerId};

impl Cluster {
    /// Notes that a worker applied the last step.
    pub(crate) fn finished(
        &mut self,
        worker: WorkerId,
        generation: Generation,
        weights_digest: String,
    ) -> Vec<Command> {
        if generation != self.generation {
            return Vec::new();
        }
        if let Some(member) = self.membership.member_mut(worker) {
            member.reported.weights_digest = Some(weights_digest);
        }
        self.end_if_complete()
    }

    /// Notes that a worker stopped as asked.
    pub(crate) fn drained(
        &mut self,
        worker: WorkerId,
        generation: Generation,
        step: Step,
    ) -> Vec<Command> {
        if generation != self.generation {
            return Vec::new();
        }
        if let Some(member) = self.membership.member_mut(worker) {
            member.reported.drained_at = Some(step);
        }
        self.end_if_complete()
    }

    /// Asks the group to stop after its step; a run that does not train stops at once.
    pub(crate) fn drain_requested(&mut self) -> Vec<Command> {
        if self.phase != Phase::Training {
            return self.end(Verdict::Interrupted {
                step: self.newest.step(),
            });
        }
        self.is_draining = true;
        let drain = |&worker: &WorkerId| Command::Drain { worker };
        self.membership.group().iter().map(drain).collect()
    }

    /// Ends the run if nothing is outstanding.
    pub(crate) fn end_if_complete(&mut self) -> Vec<Command> {
        if self.phase != Phase::Training {
            return Vec::new();
        }
        let newest = self.newest.step();
        if newest == self.settings.last_step
            && self.membership.all(|m| m.reported.weights_digest.is_some())
        {
            return self.end_finished();
        }
        if self
            .membership
            .all(|m| m.reported.drained_at == Some(newest))
        {
            return self.end(Verdict::Interrupted { step: newest });
        }
        Vec::new()
    }

    /// All members applied the last step: they must hold the same weights.
    fn end_finished(&mut self) -> Vec<Command> {
        let digests: Vec<_> = self
            .membership
            .group_members()
            .filter_map(|(_, member)| {
                Some((member.name.clone(), member.reported.weights_digest.clone()?))
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
