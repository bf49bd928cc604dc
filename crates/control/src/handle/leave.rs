//! A worker is to go: it finishes the step at hand, the others go on with the state that they hold as well.

use crate::cluster::{Cluster, RunPhase};
use crate::command::{Cause, Command, Leaving};
use crate::ids::{Millis, WorkerId};
use crate::membership::Member;

impl Cluster {
    /// Lets a worker go, at once if nobody needs it.
    pub(crate) fn leave_requested(&mut self, now: Millis, worker: WorkerId) -> Vec<Command> {
        let is_seated = self.membership.rank_of(worker).is_some();
        if !self.membership.ask_to_leave(worker) {
            return Vec::new();
        }
        match self.phase {
            RunPhase::Training if is_seated => self.part_with_leavers(),
            // A group that forms has a step to apply first, and one that returns may hold what nobody else does.
            RunPhase::Recording | RunPhase::Preparing if is_seated => Vec::new(),
            RunPhase::Returning | RunPhase::Ended => Vec::new(),
            RunPhase::Gathering => {
                let mut commands = self.release(worker);
                commands.extend(self.gather(now));
                commands
            }
            RunPhase::Recording | RunPhase::Preparing | RunPhase::Training => self.release(worker),
        }
    }

    /// Makes a group without those of its members that are to go; if nobody would be left, the run stops with a
    /// checkpoint.
    pub(crate) fn part_with_leavers(&mut self) -> Vec<Command> {
        let is_ending = self.draining.is_some() || self.applied >= self.settings.last_step;
        if self.phase != RunPhase::Training || is_ending || !self.membership.has_leaver() {
            return Vec::new();
        }
        if self.membership.n_staying() == 0 {
            self.draining = Some(Cause::Deserted);
            return self.drain_all();
        }
        self.start_generation(Leaving::AfterTheStep)
    }

    /// Lets everybody go who was asked to leave and has no seat.
    pub(crate) fn release_leavers(&mut self) -> Vec<Command> {
        let leavers = self.membership.leavers().into_iter();
        leavers.flat_map(|worker| self.release(worker)).collect()
    }

    /// Strikes off a worker that has left its group as it was asked to, and lets it end.
    pub(crate) fn release(&mut self, worker: WorkerId) -> Vec<Command> {
        let Some(Member { name, .. }) = self.membership.remove(worker) else {
            return Vec::new();
        };
        self.n_left = self.n_left.saturating_add(1);
        let reason = "it was asked to leave, and the others go on without it".to_owned();
        let stop = Command::Stop {
            worker,
            reason,
            is_failure: false,
        };
        vec![Command::Left { name }, stop]
    }
}
