//! Opening a run: find the newest checkpoint, replay the journal, take the fence, and look again if need be.
//!
//! A listing may be slow, and then it shows the journal of an earlier moment. That does no harm: the fence is a record
//! under the next number, and if that number is taken the journal is replayed anew.

use super::{Happening, World};
use crate::clock::Clock;
use crate::coordinator::{Coordinator, Operation};
use crate::mutation::{Mutation, Subject};
use crate::store::{Record, source};

/// How often a coordinator tries to take over before it gives way to others that do.
const TAKE_OVERS: u32 = 5;
/// The longest that a listing takes, and that what it shows is old.
const SLOW_LIST: u64 = 3_000;

impl World {
    pub(super) fn start_coordinator(&mut self) {
        let coordinator = self.coordinators.len();
        let clock = Clock::new(&mut self.random);
        self.coordinators.push(Coordinator::new(coordinator, clock));
        let delay = self.random.between(20, 400);
        self.agenda.after(delay, Happening::OpenRun(coordinator));
    }

    /// Finds the newest checkpoint, and checks all its parts.
    pub(super) fn open_run(&mut self, coordinator: usize) {
        if self.can_go_on(coordinator, Happening::OpenRun(coordinator)) {
            self.coordinators[coordinator].newest = self.store.newest();
            let delay = self.listing_takes();
            self.agenda.after(delay, Happening::Replay(coordinator));
        }
    }

    /// Lists and reads the journal, and tries to create the next fence.
    pub(super) fn replay(&mut self, coordinator: usize) {
        if !self.can_go_on(coordinator, Happening::Replay(coordinator)) {
            return;
        }
        let age = match self.mishap(150) {
            true => self.random.below(SLOW_LIST),
            false => 0,
        };
        let found = self.store.replay(self.agenda.now().saturating_sub(age));
        let leader = &mut self.coordinators[coordinator];
        leader.take_overs += 1;
        if leader.take_overs > TAKE_OVERS {
            return self.end_coordinator(coordinator);
        }
        leader.next = found.n_records;
        leader.writer.fence = found.fence + 1;
        leader.found = found;
        self.operate(coordinator, [Operation::Append(Record::Fence)]);
    }

    /// The fence is this coordinator's: nobody else commits any more. What was committed since it looked is newer than
    /// what it found.
    pub(super) fn taken_over(&mut self, coordinator: usize) {
        let leader = &self.coordinators[coordinator];
        let is_old = leader.found.commits.last().copied() > leader.newest;
        if is_old && self.mutation != Some(Mutation::TrustFirstLook) {
            let delay = self.listing_takes();
            return self.agenda.after(delay, Happening::LookAgain(coordinator));
        }
        self.record_newest(coordinator);
    }

    pub(super) fn look_for_newest(&mut self, coordinator: usize) {
        if self.can_go_on(coordinator, Happening::LookAgain(coordinator)) {
            self.coordinators[coordinator].newest = self.store.newest();
            self.record_newest(coordinator);
        }
    }

    /// A checkpoint whose coordinator died between manifest and record is recorded now.
    fn record_newest(&mut self, coordinator: usize) {
        let leader = &self.coordinators[coordinator];
        match leader.newest {
            Some((step, generation)) if !leader.found.commits.contains(&(step, generation)) => {
                let commit = Record::Commit { generation, step };
                self.operate(coordinator, [Operation::Append(commit)]);
            }
            _ => self.serve(coordinator),
        }
    }

    /// Everything is known: workers may come.
    pub(super) fn serve(&mut self, coordinator: usize) {
        let now = self.agenda.now();
        let leader = &mut self.coordinators[coordinator];
        let mut recorded = leader.found.recorded;
        if let Some((_, generation)) = leader.newest {
            recorded.generation = recorded.generation.max(generation);
        }
        leader.subject = Some(Subject::new(
            self.settings.clone(),
            leader.clock.at(now),
            recorded,
            source(leader.newest),
            self.mutation,
        ));
        self.agenda.after(300, Happening::Tick(coordinator));
        self.agenda.after(2_000, Happening::CheckFence(coordinator));
    }

    fn listing_takes(&mut self) -> u64 {
        match self.mishap(150) {
            true => self.random.between(60, SLOW_LIST),
            false => self.random.between(5, 60),
        }
    }
}
