//! A worker registers, and is heard of again.

use crate::cluster::Cluster;
use crate::command::{Command, Leaving};
use crate::event::Past;
use crate::ids::{Millis, WorkerId};
use crate::membership::Member;
use crate::progress::{Phase, Progress};
use crate::state::State;

impl Cluster {
    /// Takes a worker in. The first generation begins once enough are there; whoever comes later gets a
    /// seat after the next step if there is one, and stands by otherwise.
    pub(crate) fn registered(
        &mut self,
        now: Millis,
        worker: WorkerId,
        (name, address): (String, String),
        past: Past,
    ) -> Vec<Command> {
        let seat = past
            .seat
            .filter(|(generation, _)| *generation == self.lineage.generation);
        if let Some(older) = seat.and_then(|(_, rank)| self.membership.holder(rank)) {
            // It has closed its older stream, which is yet to be heard of.
            self.awaits_return(now, older);
        }
        let member = Member {
            name,
            address,
            last_heard: now,
            held: past.held,
            predates_first_unfit: self.trouble.n_unfit == 0 || past.held.is_some(),
            ..Member::default()
        };
        self.membership.insert(worker, member);
        if past.seat.is_some() && !std::mem::replace(&mut self.has_trained, true) {
            // Others of its group may be on their way.
            self.lost_sight.get_or_insert(now);
        }
        match &mut self.state {
            State::TakingOver(takeover) => {
                takeover.wait.newest_came = now;
                self.returned(worker, past)
            }
            State::Gathering(wait) => {
                wait.newest_came = now;
                self.gather(now)
            }
            State::Recording(_) | State::Preparing(_) | State::Training(_) | State::Ended => {
                self.grow()
            }
        }
    }

    /// Makes the first generation once all workers are there, or enough and no more have come for a while.
    pub(crate) fn gather(&mut self, now: Millis) -> Vec<Command> {
        let State::Gathering(wait) = &self.state else {
            return Vec::new();
        };
        let staying = self.membership.n_staying();
        let is_full = staying >= self.wanted(self.settings.workers);
        let has_settled = now.since(wait.newest_came) >= self.settings.settle;
        let is_enough = has_settled && staying >= self.wanted(self.settings.least_workers);
        if !is_full && !is_enough {
            return Vec::new();
        }
        self.gathered = wait.clone();
        self.start_generation(Leaving::AtOnce)
    }

    /// Notes that a worker is alive.
    pub(crate) fn heard(&mut self, now: Millis, worker: WorkerId) -> Vec<Command> {
        if let Some(member) = self.membership.member_mut(worker) {
            self.deadlines.record_gap(now.since(member.last_heard));
            member.last_heard = now;
        }
        Vec::new()
    }

    /// Notes where a worker is in its work, and how long such work takes the members of a group.
    pub(crate) fn beat(
        &mut self,
        now: Millis,
        worker: WorkerId,
        progress: Progress,
    ) -> Vec<Command> {
        let is_member = self.membership.rank_of(worker).is_some();
        if let Some(member) = self.membership.member_mut(worker) {
            let laps = progress.laps.iter().filter(|lap| lap.count > 0);
            for lap in laps.filter(|_| is_member) {
                self.deadlines.record_lap(lap);
                member.done.insert(lap.phase);
            }
            let is_at_work =
                progress.generation == self.lineage.generation && progress.phase != Phase::Idle;
            member.idle_since = match is_at_work {
                true => None,
                false => member.idle_since.or(Some(now)),
            };
            member.progress = Some((now, progress));
        }
        Vec::new()
    }
}
