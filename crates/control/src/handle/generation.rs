//! From a durable generation record to a group that trains, and to a larger one when somebody waits for a seat.

use crate::cluster::Cluster;
use crate::command::{Assignment, Command, Leaving, Source};
use crate::ids::{Generation, Millis, Rank, Step, WorkerId};
use crate::state::{Preparing, Reports, State, Training};
use crate::trouble::Trouble;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Cluster {
    /// The record is durable: nobody may act in an older generation any more.
    pub(crate) fn generation_recorded(
        &mut self,
        now: Millis,
        generation: Generation,
    ) -> Vec<Command> {
        let State::Recording(forming) = self.state else {
            return Vec::new();
        };
        if generation != self.lineage.generation {
            return Vec::new();
        }
        if forming.lacks_members {
            return self.start_generation(Leaving::AtOnce);
        }
        self.state = State::Preparing(Preparing {
            forming,
            since: now,
            prepared: BTreeSet::new(),
        });
        let leaving = forming.leaving;
        let prepare = |&worker: &WorkerId| Command::Prepare {
            worker,
            generation,
            leaving,
        };
        let leavers = self.membership.leavers();
        let all = self.membership.group().iter().chain(&leavers);
        all.map(prepare).collect()
    }

    /// Notes what a member brings, and lets the group begin once its last member has left its old one.
    pub(crate) fn prepared(&mut self, worker: WorkerId, held: Option<Step>) -> Vec<Command> {
        let is_asked_again = self.state.lacks_members();
        if self.membership.is_leaver(worker) && !is_asked_again {
            return self.release(worker);
        }
        let member = self.membership.member_mut(worker);
        let (State::Preparing(preparing), Some(member)) = (&mut self.state, member) else {
            return Vec::new();
        };
        member.held = held;
        preparing.prepared.insert(worker);
        self.begin_if_prepared()
    }

    /// Makes a group without those who were lost while this one formed.
    pub(crate) fn form_without_lost(&mut self, _now: Millis) -> Vec<Command> {
        match self.state.lacks_members() {
            true => self.start_generation(Leaving::AtOnce),
            false => Vec::new(),
        }
    }

    /// Lets the group begin if all have left their old one and it is known where to begin.
    pub(crate) fn begin_if_prepared(&mut self) -> Vec<Command> {
        let State::Preparing(preparing) = &self.state else {
            return Vec::new();
        };
        let is_prepared = self.membership.is_everybody(preparing.prepared.len());
        let is_whole = !self.state.lacks_members();
        match is_prepared && is_whole && self.lineage.damaged_checkpoint.is_none() {
            true => self.begin(),
            false => Vec::new(),
        }
    }

    /// Everybody is free: the group trains from the newest state there is.
    ///
    /// A run that drains goes on only for a state in memory that no checkpoint holds yet.
    fn begin(&mut self) -> Vec<Command> {
        let source = self.source();
        let is_saved = source.step() == self.lineage.newest.step();
        if let (Some(cause), true) = (self.draining, is_saved) {
            return self.interrupt(cause);
        }
        self.state = State::Training(Training::new(self.last_tick, Reports::default()));
        self.membership.begin(self.lineage.generation);
        self.has_trained = true;
        self.lineage.applied = source.step();
        let mut commands = self.begin_all(source);
        commands.extend(self.drain_all());
        commands.extend(self.renew_save());
        commands.extend(self.regroup_without_leavers());
        commands
    }

    fn begin_all(&self, source: Source) -> Vec<Command> {
        let seats = self.seats(source.step());
        let begin = |(rank, &worker): (u32, &WorkerId)| Command::Begin {
            worker,
            assignment: Assignment {
                generation: self.lineage.generation,
                rank: Rank::new(rank),
                seats: Arc::clone(&seats),
                source,
                committed: self.lineage.newest.step(),
            },
        };
        (0..).zip(self.membership.group()).map(begin).collect()
    }

    /// A step of its own shows that a generation is worth having; whoever stands by may now get a seat.
    pub(crate) fn applied(&mut self, step: Step) -> Vec<Command> {
        if step <= self.lineage.applied {
            return Vec::new();
        }
        self.lineage.applied = step;
        if !self.state.is_training() {
            // The group is not whole yet, as far as this coordinator sees.
            return Vec::new();
        }
        if !std::mem::replace(&mut self.lineage.has_stepped, true) {
            self.membership.forget_trouble();
        }
        self.trouble = Trouble::default();
        self.grow()
    }

    /// Makes room for those who stand by, if the group is smaller than it may be.
    ///
    /// Only after a step of its own: so newcomers that come one after another are taken in together.
    pub(crate) fn grow(&mut self) -> Vec<Command> {
        let is_settled = self.state.is_training() && self.lineage.has_stepped;
        let n_seats = self.limit().min(self.membership.n_staying());
        match is_settled && !self.is_ending() && self.membership.group().len() < n_seats {
            true => self.start_generation(Leaving::AfterTheStep),
            false => Vec::new(),
        }
    }
}
