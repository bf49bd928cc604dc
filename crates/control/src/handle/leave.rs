//! A worker is to go: it finishes the step at hand, the others go on with the state that they hold as well.

use crate::cluster::Cluster;
use crate::command::{Cause, Command, Leaving, Parting};
use crate::ids::{Millis, WorkerId};
use crate::membership::Member;
use crate::state::State;

impl Cluster {
    /// Lets a worker go, at once if nobody needs it.
    pub(crate) fn leave_requested(&mut self, now: Millis, worker: WorkerId) -> Vec<Command> {
        let has_seat = self.membership.rank_of(worker).is_some();
        let is_seated = has_seat || self.state.lacks_members();
        if !self.membership.ask_to_leave(worker) {
            return Vec::new();
        }
        match self.state {
            State::Training(_) if is_seated => self.regroup_without_leavers(),
            // A group that forms has a step to apply first, and one that returns may hold what nobody else does.
            State::Recording(_) | State::Preparing(_) if is_seated => Vec::new(),
            State::TakingOver(_) | State::Ended => Vec::new(),
            State::Gathering(_)
            | State::Recording(_)
            | State::Preparing(_)
            | State::Training(_) => {
                let mut commands = self.release(worker);
                commands.extend(self.gather(now));
                commands
            }
        }
    }

    /// Makes a group without those of its members that are to go; if nobody would be left, the run stops with a
    /// checkpoint.
    pub(crate) fn regroup_without_leavers(&mut self) -> Vec<Command> {
        let is_undisturbed = self.is_ending() || !self.membership.has_leaver();
        if !self.state.is_training() || is_undisturbed {
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

    /// Removes a worker that has left its group as it was asked to, and lets it end.
    pub(crate) fn release(&mut self, worker: WorkerId) -> Vec<Command> {
        let Some(Member { name, .. }) = self.remove(worker) else {
            return Vec::new();
        };
        self.n_left = self.n_left.saturating_add(1);
        let reason = "it was asked to leave, and the others go on without it".to_owned();
        let stop = Command::Stop {
            worker,
            reason,
            parting: Parting::Left,
        };
        vec![Command::Left { name }, stop]
    }
}
