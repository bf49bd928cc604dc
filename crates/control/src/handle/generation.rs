//! From a durable generation record to a group that trains, and to a larger one when somebody waits for a seat.

use crate::cluster::{Cluster, RunPhase};
use crate::command::{Assignment, Command, Leaving, Source};
use crate::ids::{Generation, Millis, Rank, Step, WorkerId};
use std::sync::Arc;

impl Cluster {
    /// The record is durable: nobody may act in an older generation any more.
    pub(crate) fn generation_recorded(
        &mut self,
        now: Millis,
        generation: Generation,
    ) -> Vec<Command> {
        if self.phase != RunPhase::Recording || generation != self.generation {
            return Vec::new();
        }
        self.phase = RunPhase::Preparing;
        self.started = now;
        let leaving = self.leaving;
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
    pub(crate) fn prepared(
        &mut self,
        worker: WorkerId,
        generation: Generation,
        held: Option<Step>,
    ) -> Vec<Command> {
        if generation == self.generation && self.membership.is_leaver(worker) {
            return self.release(worker);
        }
        if self.phase != RunPhase::Preparing || generation != self.generation {
            return Vec::new();
        }
        let is_seated = self.membership.rank_of(worker).is_some();
        let Some(member) = self.membership.member_mut(worker).filter(|_| is_seated) else {
            return Vec::new();
        };
        member.held = held;
        self.membership.reports.prepared.insert(worker);
        self.begin_if_prepared()
    }

    /// Lets the group begin if all have left their old one and it is known where to begin.
    pub(crate) fn begin_if_prepared(&mut self) -> Vec<Command> {
        let prepared = self.membership.reports.prepared.len();
        let is_prepared =
            self.phase == RunPhase::Preparing && self.membership.is_everybody(prepared);
        if !is_prepared || self.doubted.is_some() {
            return Vec::new();
        }
        self.begin()
    }

    /// Everybody is free: the group trains from the newest state there is.
    ///
    /// A run that drains goes on only for a state in memory that no checkpoint holds yet.
    fn begin(&mut self) -> Vec<Command> {
        let source = self.source();
        let is_saved = source.step() == self.newest.step();
        if let (Some(cause), true) = (self.draining, is_saved) {
            return self.interrupt(cause);
        }
        self.phase = RunPhase::Training;
        self.has_trained = true;
        self.applied = source.step();
        let mut commands = self.begin_all(source);
        if self.draining.is_some() {
            commands.extend(self.drain_all());
        }
        commands.extend(self.renew_save());
        commands.extend(self.part_with_leavers());
        commands
    }

    fn begin_all(&self, source: Source) -> Vec<Command> {
        let seats = self.seats(source.step());
        let begin = |(rank, &worker): (u32, &WorkerId)| Command::Begin {
            worker,
            assignment: Assignment {
                generation: self.generation,
                rank: Rank::new(rank),
                seats: Arc::clone(&seats),
                source,
                committed: self.newest.step(),
            },
        };
        (0..).zip(self.membership.group()).map(begin).collect()
    }

    /// A step of its own shows that a generation is worth having; whoever stands by may now get a seat.
    pub(crate) fn applied(&mut self, generation: Generation, step: Step) -> Vec<Command> {
        let is_news = step > self.applied && generation == self.generation;
        if self.phase != RunPhase::Training || !is_news {
            return Vec::new();
        }
        self.applied = step;
        if !self.is_fruitful {
            self.membership.note_fruitful();
        }
        self.is_fruitful = true;
        self.fruitless = 0;
        self.n_unfit = 0;
        self.broken_links.clear();
        self.grow()
    }

    /// Makes room for those who stand by, if the group is smaller than it may be.
    ///
    /// Only after a step of its own: so newcomers that come one after another are taken in together.
    pub(crate) fn grow(&mut self) -> Vec<Command> {
        let is_settled = self.phase == RunPhase::Training && self.is_fruitful;
        let is_ending = self.draining.is_some() || self.applied >= self.settings.last_step;
        if !is_settled || is_ending || !self.has_room_for_more() {
            return Vec::new();
        }
        self.start_generation(Leaving::AfterTheStep)
    }
}
