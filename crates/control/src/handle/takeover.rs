//! A coordinator without workers finds the group that it or an earlier one lost sight of: it trains on, undisturbed,
//! if it is whole.

use crate::cluster::Cluster;
use crate::command::{Command, Leaving};
use crate::event::{Departure, Past};
use crate::handle::tick::AWAY;
use crate::ids::{Millis, Step, WorkerId};
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
        self.await_group(now, Takeover::of(awaited, wait));
    }

    fn await_group(&mut self, now: Millis, takeover: Takeover) {
        self.state = State::TakingOver(takeover);
        self.lost_sight = Some(now);
    }

    /// Whether this coordinator was away until a moment ago.
    pub(crate) fn was_away(&self, now: Millis) -> bool {
        now.since(self.last_tick) >= AWAY || self.last_tick < self.excused_until
    }

    /// Whether a member whose stream is closed may come back: this coordinator was away for so long that workers have
    /// closed their streams and train on. The whole group is then waited for, as a new coordinator waits for it.
    pub(crate) fn awaits_return(&mut self, now: Millis, worker: WorkerId) -> bool {
        let was_away = self.was_away(now);
        let rank = self.membership.rank_of(worker).filter(|_| was_away);
        let verdict = self.verdict_on(worker, &Departure::StreamClosed);
        let (Some(rank), Some(verdict)) = (rank, verdict) else {
            return false;
        };
        if let State::Training(training) = &mut self.state {
            let group = self.membership.group();
            let takeover = Takeover {
                claims: group.iter().copied().enumerate().collect(),
                returned: group.iter().copied().collect(),
                is_broken: !training.reported_broken.is_empty(),
                reports: std::mem::take(&mut training.reports),
                ..Takeover::of(group.len(), Wait::default())
            };
            self.await_group(now, takeover);
        }
        let State::TakingOver(takeover) = &mut self.state else {
            return false;
        };
        // Whoever else was waited for before the absence has left as well, and has its full time again.
        takeover.wait.since = now;
        takeover.closed.insert(rank, Box::new(verdict));
        self.remove(worker);
        true
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
        let reports = std::mem::take(&mut takeover.reports);
        self.state = State::Training(Training::new(self.last_tick, reports));
        self.lost_sight = None;
        self.membership.begin(self.lineage.generation);
        let held = self.membership.group_members().filter_map(|(_, m)| m.held);
        self.lineage.applied = held.fold(self.lineage.applied, Step::max);
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
        if now.since(takeover.wait.since) <= takeover.patience(self.settings.return_timeout) {
            return Vec::new();
        }
        let closed = std::mem::take(&mut takeover.closed).into_values();
        let mut commands: Vec<_> = closed.map(|verdict| Command::Report { verdict }).collect();
        if !takeover.returned.is_empty() {
            commands.extend(self.start_generation(Leaving::AtOnce));
            return commands;
        }
        let wait = std::mem::take(&mut takeover.wait);
        self.state = State::Gathering(Wait { since: now, ..wait });
        commands.extend(match self.draining {
            Some(cause) => self.interrupt(cause),
            None => self.release_leavers(),
        });
        commands
    }
}
