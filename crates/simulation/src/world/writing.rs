//! What coordinators do at the store, and how that goes wrong.
//!
//! A request is refused, or takes long, or reaches the store although its writer is told that it failed, at once or
//! long after the writer has given it up. The writer sends it again, with waits that double, until its patience ends;
//! then it ends, whatever its record has come to. One that finds its own record under its number was heard before; one
//! that finds another's is fenced.

use super::{Happening, World};
use crate::coordinator::{Operation, Try};
use crate::mutation::Mutation;
use crate::observation::Observation;
use crate::store::{Created, Record, Writer, source};
use fratmae_control::{Event, Source};

/// How long a store that fails is borne with.
const PATIENCE: u64 = 3_000;
/// After this silence a request is given up and sent again.
const STALL: u64 = 600;
/// The wait before the second try.
const FIRST_WAIT: u64 = 50;

/// A request on its way to the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(super) coordinator: usize,
    attempt: u64,
    writer: Writer,
    /// The journal's number that it is about.
    number: usize,
    operation: Operation,
}

/// How a request fares.
struct Fate {
    /// When it reaches the store, if ever.
    reaches: Option<u64>,
    /// When its sender has an answer, or gives it up.
    answered: u64,
    is_told: bool,
}

impl World {
    /// Lets a coordinator do these things at the store, one after the other, after those it is at.
    pub(super) fn operate<const N: usize>(
        &mut self,
        coordinator: usize,
        operations: [Operation; N],
    ) {
        let leader = &mut self.coordinators[coordinator];
        let is_idle = leader.operations.is_empty();
        leader.operations.extend(operations);
        if is_idle {
            self.begin_operation(coordinator);
        }
    }

    fn begin_operation(&mut self, coordinator: usize) {
        let now = self.agenda.now();
        let leader = &mut self.coordinators[coordinator];
        if leader.operations.is_empty() {
            return;
        }
        leader.attempt = Try {
            number: leader.attempt.number,
            began: now,
            wait: FIRST_WAIT,
            came_to: None,
        };
        self.send(coordinator);
    }

    fn send(&mut self, coordinator: usize) {
        let Fate {
            reaches,
            answered,
            is_told,
        } = self.fate();
        let leader = &mut self.coordinators[coordinator];
        let Some(&operation) = leader.operations.front() else {
            return;
        };
        leader.attempt.number += 1;
        leader.attempt.came_to = None;
        let attempt = leader.attempt.number;
        if let Some(reaches) = reaches {
            let request = Request {
                coordinator,
                attempt,
                writer: leader.writer,
                number: leader.next,
                operation,
            };
            self.agenda.after(reaches, Happening::Reached(request));
        }
        let answer = Happening::Answered(coordinator, attempt, is_told);
        self.agenda.after(answered, answer);
    }

    fn fate(&mut self) -> Fate {
        let (there, back) = (self.random.between(1, 12), self.random.between(1, 12));
        let sound = Fate {
            reaches: Some(there),
            answered: there + back,
            is_told: true,
        };
        let is_sick = self.agenda.now() < self.store_is_sick_until;
        if !is_sick && !self.mishap(100) {
            return sound;
        }
        match self.random.below(4) {
            0 => Fate {
                reaches: None,
                is_told: false,
                ..sound
            },
            1 => Fate {
                answered: there + self.random.between(20, 400),
                is_told: false,
                ..sound
            },
            2 => {
                let there = self.random.between(100, STALL - back);
                Fate {
                    reaches: Some(there),
                    answered: there + back,
                    ..sound
                }
            }
            _ => Fate {
                reaches: Some(STALL + self.random.below(2_500)),
                answered: STALL,
                is_told: false,
            },
        }
    }

    /// A request reaches the store, whether or not its writer still waits for it, or lives.
    pub(super) fn reached(&mut self, request: Request) {
        let (writer, number) = (request.writer, request.number);
        let created = match request.operation {
            Operation::EnsureHeld => self.store.find_record(number, writer),
            Operation::PassOver(..) => Created::New,
            Operation::Commit(step, generation) => {
                let created = self.store.create_manifest((step, generation), writer);
                if created == Created::New {
                    self.laws.observe(&Observation::Manifest {
                        step,
                        parts: self.store.n_parts(generation, step),
                        world: self.store.world(generation),
                    });
                }
                created
            }
            Operation::Append(record) => {
                let now = self.agenda.now();
                let created = self.store.create_record(now, number, writer, record);
                if created == Created::New {
                    self.observe_record(writer, record);
                }
                created
            }
        };
        let leader = &mut self.coordinators[request.coordinator];
        if leader.attempt.number == request.attempt {
            leader.attempt.came_to = Some(created);
        }
    }

    fn observe_record(&mut self, writer: Writer, record: Record) {
        let fence = writer.fence;
        self.laws.observe(&Observation::Appended { fence });
        match record {
            Record::Generation { generation, .. } => {
                self.laws.observe(&Observation::Recorded { generation });
            }
            Record::Commit { step, generation } => {
                self.laws.observe(&Observation::Committed { step });
                if self
                    .store
                    .is_damaged(Source::Checkpoint { step, generation })
                {
                    self.observe_damage();
                }
            }
            Record::Finished => {
                self.laws.observe(&Observation::Over { trouble: None });
                self.is_over = true;
            }
            Record::Fence | Record::Verdict | Record::Interrupted => {}
        }
    }

    /// An answer comes, or the coordinator gives the request up.
    pub(super) fn answered(&mut self, coordinator: usize, attempt: u64, is_told: bool) {
        let again = Happening::Answered(coordinator, attempt, is_told);
        let is_awaited = self.coordinators[coordinator].attempt.number == attempt;
        if !is_awaited || !self.can_go_on(coordinator, again) {
            return;
        }
        let leader = &mut self.coordinators[coordinator];
        let is_record = matches!(leader.operations.front(), Some(Operation::Append(_)));
        let passes_over = match leader.attempt.came_to {
            Some(Created::Taken) => self.mutation == Some(Mutation::PassOverOthers),
            Some(Created::Ours) => self.mutation == Some(Mutation::WriteAgain),
            Some(Created::New) | None => false,
        };
        match leader.attempt.came_to.filter(|_| is_told) {
            None => self.try_later(coordinator),
            Some(_) if passes_over && is_record => {
                leader.next += 1;
                self.send(coordinator);
            }
            Some(Created::Taken) => self.found_taken(coordinator),
            Some(created) => self.done(coordinator, created),
        }
    }

    fn try_later(&mut self, coordinator: usize) {
        let now = self.agenda.now();
        let attempt = &mut self.coordinators[coordinator].attempt;
        let wait = attempt.wait;
        attempt.wait *= 2;
        if now + wait > attempt.began + PATIENCE {
            return self.end_coordinator(coordinator);
        }
        let again = Happening::TryAgain(coordinator, attempt.number);
        self.agenda.after(wait, again);
    }

    pub(super) fn try_again(&mut self, coordinator: usize, attempt: u64) {
        let again = Happening::TryAgain(coordinator, attempt);
        let is_awaited = self.coordinators[coordinator].attempt.number == attempt;
        if is_awaited && self.can_go_on(coordinator, again) {
            self.send(coordinator);
        }
    }

    /// Another one has written there: whoever leads is fenced, and whoever takes over reads what came.
    fn found_taken(&mut self, coordinator: usize) {
        let leader = &mut self.coordinators[coordinator];
        if leader.operations.pop_front() != Some(Operation::Append(Record::Fence)) {
            return self.end_coordinator(coordinator);
        }
        let delay = self.random.between(1, 30);
        self.agenda.after(delay, Happening::Replay(coordinator));
    }

    fn done(&mut self, coordinator: usize, created: Created) {
        let leader = &mut self.coordinators[coordinator];
        let Some(operation) = leader.operations.pop_front() else {
            return;
        };
        let is_record = matches!(operation, Operation::Append(_));
        if is_record || (operation, created) == (Operation::EnsureHeld, Created::Ours) {
            leader.next += 1;
        }
        self.begin_operation(coordinator);
        match operation {
            Operation::EnsureHeld | Operation::Commit(..) => {}
            Operation::PassOver(generation, step) => {
                let newest = source(self.store.newest());
                let checkpoint = (generation, step);
                let done = Event::PassedOver { checkpoint, newest };
                self.coordinators[coordinator].completed.push_back(done);
            }
            Operation::Append(record) => self.recorded(coordinator, record),
        }
        self.pump(coordinator);
    }

    fn recorded(&mut self, coordinator: usize, record: Record) {
        let leader = &mut self.coordinators[coordinator];
        match record {
            Record::Fence => self.taken_over(coordinator),
            Record::Commit { .. } if leader.subject.is_none() => self.serve(coordinator),
            Record::Commit { generation, step } => {
                let done = Event::CheckpointCommitted { generation, step };
                leader.completed.push_back(done);
            }
            Record::Generation { generation, .. } => {
                let done = Event::GenerationRecorded { generation };
                leader.completed.push_back(done);
            }
            Record::Interrupted => self.end_coordinator(coordinator),
            Record::Verdict | Record::Finished => {}
        }
    }
}
