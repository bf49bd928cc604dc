//! A run ends when every member says the same and the last checkpoint is committed.

use crate::cluster::Cluster;
use crate::command::{Cause, Command, RunOutcome};
use crate::ids::{Step, WorkerId};
use crate::membership::Member;
use crate::state::{State, Training};
use std::collections::BTreeMap;

impl Cluster {
    /// Notes that a worker applied the last step.
    pub(crate) fn finished(&mut self, worker: WorkerId, weights_digest: String) -> Vec<Command> {
        if let Some(reports) = self.state.reports_mut() {
            reports.weights_digests.insert(worker, weights_digest);
        }
        self.end_if_complete()
    }

    /// Notes that a worker stopped as asked.
    pub(crate) fn drained(&mut self, worker: WorkerId, step: Step) -> Vec<Command> {
        if let Some(reports) = self.state.reports_mut() {
            reports.drained.insert(worker, step);
        }
        self.end_if_complete()
    }

    /// Asks the group to stop after its step; a run that has none yet, or has not begun one since it was restored, stops
    /// at once.
    pub(crate) fn drain_requested(&mut self) -> Vec<Command> {
        if matches!(self.state, State::Gathering(_)) || self.has_nothing_to_save() {
            return self.interrupt(Cause::Asked);
        }
        self.draining = Some(Cause::Asked);
        self.drain_all()
    }

    /// Whether the newest checkpoint holds all that was applied, and no member has begun the step after it, as all say.
    #[must_use]
    pub fn has_nothing_to_save(&self) -> bool {
        let is_before_its_steps = |member: &Member| match &member.progress {
            Some((_, progress)) => {
                progress.generation == self.lineage.generation && !progress.phase.is_of_a_step()
            }
            None => false,
        };
        let mut members = self.membership.group_members();
        self.state.is_training()
            && self.lineage.is_saved()
            && members.all(|(_, member)| is_before_its_steps(member))
    }

    /// Ends the run at its newest checkpoint.
    pub(crate) fn interrupt(&mut self, cause: Cause) -> Vec<Command> {
        let step = self.lineage.newest.step();
        self.end(RunOutcome::Interrupted { step, cause })
    }

    /// Asks every member to stop after its step, if the run is to stop. A group that forms or returns is asked when it is
    /// whole, if there is anything to save by then.
    pub(crate) fn drain_all(&self) -> Vec<Command> {
        if self.draining.is_none() || !self.state.is_training() {
            return Vec::new();
        }
        let drain = |&worker: &WorkerId| Command::Drain { worker };
        self.membership.group().iter().map(drain).collect()
    }

    /// Ends the run if nothing is outstanding.
    pub(crate) fn end_if_complete(&mut self) -> Vec<Command> {
        let State::Training(Training { reports, .. }) = &self.state else {
            return Vec::new();
        };
        let newest = self.lineage.newest.step();
        let is_finished = self.membership.is_everybody(reports.weights_digests.len());
        if is_finished && newest == self.settings.last_step {
            let outcome = self.outcome(&reports.weights_digests);
            return outcome.map_or_else(Vec::new, |outcome| self.end(outcome));
        }
        let is_drained = self.membership.is_everybody(reports.drained.len());
        if is_drained && reports.drained.values().all(|step| *step == newest) {
            return self.interrupt(self.draining.unwrap_or(Cause::Asked));
        }
        Vec::new()
    }

    /// All members applied the last step: they must hold the same weights.
    fn outcome(&self, digests: &BTreeMap<WorkerId, String>) -> Option<RunOutcome> {
        let members = self.membership.group_members();
        let mut digests =
            members.filter_map(|(id, member)| Some((&member.name, digests.get(&id)?)));
        let (first, digest) = digests.next()?;
        let other = digests.find(|(_, theirs)| *theirs != digest);
        Some(match other {
            Some((other, theirs)) => RunOutcome::Failed {
                reason: format!(
                    "workers {first} and {other} ended with different weights ({digest} and {theirs})"
                ),
            },
            None => RunOutcome::Finished {
                step: self.settings.last_step,
                weights_digest: digest.clone(),
            },
        })
    }
}
