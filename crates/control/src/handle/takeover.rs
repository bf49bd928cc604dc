//! A coordinator without workers finds the group that it or an earlier one lost sight of: it trains on, undisturbed,
//! if it is whole.

use crate::cluster::Cluster;
use crate::command::{Command, Leaving};
use crate::event::Past;
use crate::ids::{Millis, WorkerId};
use crate::membership::Membership;
use crate::state::{State, Takeover, Training, Wait};

impl Cluster {
    /// All streams are closed, but the group may still train.
    pub(crate) fn await_old_group(&mut self, now: Millis, last_lost: String) {
        let awaited = self.membership.group().len();
        self.membership = Membership::default();
        let wait = Wait {
            since: now,
            last_lost: Some(last_lost),
            ..Wait::default()
        };
        self.state = State::TakingOver(Takeover::of(awaited, wait));
    }

    /// A worker came before it is clear whether the old group is whole. Once as many came as are awaited, the group goes
    /// on as it is, or its members make a new one of what they hold.
    pub(crate) fn returned(&mut self, worker: WorkerId, past: Past) -> Vec<Command> {
        let State::TakingOver(takeover) = &mut self.state else {
            return Vec::new();
        };
        if past.held.is_some() {
            takeover.returned.insert(worker);
        }
        if let Some((generation, rank)) = past.seat
            && let rank = rank.get() as usize
            && generation == self.lineage.generation
            && rank < takeover.awaited
        {
            takeover.claim(worker, rank, &mut self.membership);
        }
        if takeover.returned.len() < takeover.awaited {
            return Vec::new();
        }
        if !takeover.is_whole() {
            return self.start_generation(Leaving::AtOnce);
        }
        self.membership
            .adopt(takeover.claims.values().copied().collect());
        self.state = State::Training(Training {
            reports: std::mem::take(&mut takeover.reports),
            ..Training::default()
        });
        let held = self.membership.group_members().filter_map(|(_, m)| m.held);
        self.lineage.applied = held.max().unwrap_or(self.lineage.applied);
        let mut commands = self.commit_if_complete();
        commands.extend(self.drain_all());
        commands.extend(self.end_if_complete());
        if self.state.is_training() {
            commands.extend(self.renew_save());
            commands.extend(self.release_leavers());
        }
        commands.extend(self.regroup_without_leavers());
        commands
    }

    /// Gives up the wait for members that did not come back in time.
    pub(crate) fn stop_waiting(&mut self, now: Millis) -> Vec<Command> {
        let State::TakingOver(takeover) = &mut self.state else {
            return Vec::new();
        };
        if now.since(takeover.wait.since) <= self.settings.return_timeout {
            return Vec::new();
        }
        if !takeover.returned.is_empty() {
            return self.start_generation(Leaving::AtOnce);
        }
        let wait = std::mem::take(&mut takeover.wait);
        self.state = State::Gathering(Wait { since: now, ..wait });
        match self.draining {
            Some(cause) => self.interrupt(cause),
            None => self.release_leavers(),
        }
    }
}
