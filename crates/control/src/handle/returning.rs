//! A coordinator without workers finds the group that it or an earlier one lost sight of: it trains on, undisturbed,
//! if it is whole.

use crate::cluster::{Cluster, RunPhase};
use crate::command::{Command, Leaving};
use crate::event::Past;
use crate::ids::{Millis, WorkerId};
use crate::membership::Membership;

impl Cluster {
    /// Nobody is left, but a group whose streams alone broke may still train.
    pub(crate) fn await_return(&mut self, now: Millis) {
        self.awaited = u32::try_from(self.membership.group().len()).unwrap_or(u32::MAX);
        self.membership = Membership::default();
        self.is_broken = false;
        self.started = now;
        self.phase = RunPhase::Returning;
    }

    /// A worker came before it is clear whether the old group is whole.
    pub(crate) fn returned(&mut self, worker: WorkerId, past: Past) -> Vec<Command> {
        if let Some((generation, rank)) = past.place
            && generation == self.generation
            && rank.get() < self.awaited
        {
            self.membership.seat(worker, rank.get() as usize);
        }
        if self.membership.n_experienced() < self.awaited as usize {
            return Vec::new();
        }
        self.settle()
    }

    /// As many came as were awaited: the group goes on as it is, or its members make a new one of what they hold.
    fn settle(&mut self) -> Vec<Command> {
        if self.is_broken || !self.membership.adopt(self.awaited as usize) {
            return self.start_generation(Leaving::AtOnce);
        }
        self.phase = RunPhase::Training;
        let held = self.membership.group_members().filter_map(|(_, m)| m.held);
        self.applied = held.max().unwrap_or(self.applied);
        let mut commands = self.commit_complete();
        if self.draining.is_some() {
            commands.extend(self.drain_all());
        }
        commands.extend(self.end_if_complete());
        if self.phase == RunPhase::Training {
            commands.extend(self.renew_save());
            commands.extend(self.release_leavers());
        }
        commands.extend(self.part_with_leavers());
        commands
    }

    /// Who is not back by now is not waited for.
    pub(crate) fn stop_waiting(&mut self, now: Millis) -> Vec<Command> {
        self.started = now;
        if self.membership.n_experienced() > 0 {
            return self.start_generation(Leaving::AtOnce);
        }
        self.phase = RunPhase::Gathering;
        if let Some(cause) = self.draining {
            return self.interrupt(cause);
        }
        let mut commands = self.release_leavers();
        commands.extend(self.gather(now));
        commands
    }
}
