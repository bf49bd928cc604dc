//! What coordinators read while they open a run. What follows from it is `control`'s.
//!
//! A listing may be slow, and then it shows the journal of an earlier moment. That does no harm: the fence is a record
//! under the next number, and if that number is taken the journal is read anew.

use super::faults::Fault;
use super::{Happening, World};
use crate::clock::Clock;
use crate::coordinator::{Coordinator, Stage};
use crate::mutation::{Mutation, Subject};
use crate::retention::Retention;
use fratmae_control::{
    CheckpointId, Found, JournalFact, JournalState, JournalTask, Recorded, Source, TakeOver,
    TakeOverStep, Tasks,
};
use std::collections::BTreeSet;

/// The longest that a listing takes, and that what it shows is old.
const SLOW_LIST: u64 = 3_000;

impl World {
    pub(super) fn start_coordinator(&mut self) {
        let coordinator = self.coordinators.len();
        let clock = Clock::new(&mut self.random);
        self.coordinators.push(Coordinator::new(coordinator, clock));
        let delay = self.random.between(20, 400);
        self.agenda.after(delay, Happening::Read(coordinator));
    }

    /// Lists and reads the journal, and then the checkpoints if it has not yet.
    pub(super) fn read(&mut self, coordinator: usize) {
        if !self.can_go_on(coordinator, Happening::Read(coordinator)) {
            return;
        }
        let age = match self.mishap(150) {
            true => self.random.below(SLOW_LIST),
            false => 0,
        };
        let moment = self.agenda.now().saturating_sub(age);
        let forgets = self.mutation == Some(Mutation::ForgetRemoved);
        let journal = self.store.replay(moment, forgets);
        match &mut self.coordinators[coordinator].stage {
            Stage::TakingOver(opening, _) => match opening.lost(journal) {
                true => self.take_fence(coordinator),
                false => self.end_coordinator(coordinator),
            },
            _ => {
                let but = journal.removed().clone();
                self.look(coordinator, Some(journal), &but);
            }
        }
    }

    /// Looks for the newest checkpoint, and checks all its parts.
    fn look(
        &mut self,
        coordinator: usize,
        journal: Option<JournalState>,
        but: &BTreeSet<CheckpointId>,
    ) {
        let delay = match self.mishap(150) {
            true => self.random.between(60, SLOW_LIST),
            false => self.random.between(5, 60),
        };
        let found = Happening::Found(coordinator, journal, self.store.find(but));
        self.agenda.after(delay, found);
    }

    pub(super) fn found(
        &mut self,
        coordinator: usize,
        journal: Option<JournalState>,
        found: Found,
    ) {
        let again = Happening::Found(coordinator, journal.clone(), found.clone());
        if !self.can_go_on(coordinator, again) {
            return;
        }
        let leader = &mut self.coordinators[coordinator];
        leader.damaged.clone_from(&found.damaged);
        match (&mut leader.stage, journal) {
            (Stage::TakenOver(taken, first), _) => {
                taken.found(match self.mutation {
                    Some(Mutation::TrustFirstLook) => first.clone(),
                    _ => found,
                });
                self.go_on_opening(coordinator);
            }
            (stage, Some(journal)) => {
                *stage = Stage::TakingOver(TakeOver::new(journal, found.clone()), found);
                self.take_fence(coordinator);
            }
            (_, None) => {}
        }
    }

    fn take_fence(&mut self, coordinator: usize) {
        let leader = &mut self.coordinators[coordinator];
        if let Stage::TakingOver(opening, _) = &leader.stage {
            leader.journal = opening.writer();
            self.at_journal(coordinator, JournalTask::TakeFence, JournalFact::Other);
        }
    }

    /// The fence is this coordinator's.
    pub(super) fn taken_over(&mut self, coordinator: usize) {
        let stage = &mut self.coordinators[coordinator].stage;
        if let Stage::TakingOver(opening, found) = std::mem::replace(stage, Stage::Reading) {
            *stage = Stage::TakenOver(opening.taken(), found);
        }
        self.go_on_opening(coordinator);
    }

    pub(super) fn go_on_opening(&mut self, coordinator: usize) {
        let Stage::TakenOver(taken, _) = &self.coordinators[coordinator].stage else {
            return;
        };
        match taken.next() {
            TakeOverStep::FindNewest { but } => self.look(coordinator, None, &but),
            TakeOverStep::Record(id) => {
                let commit = JournalFact::Committed(id);
                self.at_journal(coordinator, JournalTask::Append, commit);
            }
            TakeOverStep::Serve { recorded, newest } => self.serve(coordinator, recorded, newest),
        }
    }

    /// Everything is known: workers may come.
    fn serve(&mut self, coordinator: usize, recorded: Recorded, newest: Source) {
        let now = self.agenda.now();
        let leader = &mut self.coordinators[coordinator];
        if let Stage::TakenOver(taken, _) = &leader.stage {
            let journal = taken.journal();
            let unusable = journal.removed().union(&leader.damaged).copied();
            leader.tasks = Tasks::new(journal.committed().clone());
            leader.retention = Retention::new(
                self.keep_last,
                journal.committed(),
                unusable.collect(),
                self.mutation,
            );
        }
        leader.stage = Stage::Serving(Box::new(Subject::new(
            self.settings.clone(),
            leader.clock.at(now),
            recorded,
            newest,
            self.mutation,
        )));
        if self.mishap(50) {
            // Who claims a seat does so before its owner is back.
            self.agenda.after(1, Happening::Fault(Fault::Lie));
        }
        self.agenda.after(300, Happening::Tick(coordinator));
        self.agenda.after(2_000, Happening::CheckFence(coordinator));
    }
}
