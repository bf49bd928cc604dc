//! What coordinators do at the store, and how that goes wrong. What follows from its answers is `control`'s.
//!
//! A request is refused, or takes long, or reaches the store although its writer is told that it failed, at once or
//! long after the writer has given it up. As the client of the real store does, the writer's sends it again, with waits
//! that double, until its patience ends; then the writer ends, whatever its record has come to.

use super::{Happening, World};
use crate::coordinator::{Answer, Named, Operation, Stage, Try};
use crate::mutation::Mutation;
use crate::observation::Observation;
use crate::store::{Created, Writer};
use crate::worker::LOST;
use fratmae_control::{
    CheckpointId, JournalAnswer, JournalFact, JournalProgress, JournalRequest, JournalTask, Source,
};

/// How long a store that fails is borne with.
const PATIENCE: u64 = 3_000;
/// After this silence a request is given up and sent again.
const STALL: u64 = 600;
/// The wait before the second try.
const FIRST_WAIT: u64 = 50;

/// A request on its way to the store.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(super) coordinator: usize,
    attempt: u64,
    writer: Writer,
    operation: Operation,
}

/// How a request fares.
struct Fate {
    /// When it reaches the store, if ever.
    reaches: Option<u64>,
    /// When its sender has an answer, or gives it up.
    answered: u64,
    is_confirmed: bool,
}

impl World {
    /// Lets a coordinator do something at the store.
    pub(super) fn operate(&mut self, coordinator: usize, operation: Operation) {
        let leader = &mut self.coordinators[coordinator];
        leader.operation = Some(operation);
        leader.attempt = Try {
            number: leader.attempt.number,
            began: self.agenda.now(),
            wait: FIRST_WAIT,
            came_to: None,
        };
        self.send(coordinator);
    }

    /// Lets a coordinator do something at the journal, and write this if it writes.
    pub(super) fn at_journal(&mut self, coordinator: usize, task: JournalTask, fact: JournalFact) {
        let first = self.coordinators[coordinator].journal.first(task);
        self.operate(coordinator, Operation::Journal(task, fact, first));
    }

    fn send(&mut self, coordinator: usize) {
        let Fate {
            reaches,
            answered,
            is_confirmed,
        } = self.fate();
        let leader = &mut self.coordinators[coordinator];
        let Some(operation) = leader.operation.clone() else {
            return;
        };
        leader.attempt.number += 1;
        leader.attempt.came_to = None;
        let attempt = leader.attempt.number;
        if let Some(reaches) = reaches {
            let request = Request {
                coordinator,
                attempt,
                writer: leader.writer(),
                operation,
            };
            self.agenda.after(reaches, Happening::Reached(request));
        }
        let answer = Happening::Answered(coordinator, attempt, is_confirmed);
        self.agenda.after(answered, answer);
    }

    fn fate(&mut self) -> Fate {
        let (there, back) = (self.random.between(1, 12), self.random.between(1, 12));
        let sound = Fate {
            reaches: Some(there),
            answered: there + back,
            is_confirmed: true,
        };
        let is_sick = self.agenda.now() < self.store_is_sick_until;
        if !is_sick && !self.mishap(100) {
            return sound;
        }
        match self.random.below(4) {
            0 => Fate {
                reaches: None,
                is_confirmed: false,
                ..sound
            },
            1 => Fate {
                answered: there + self.random.between(20, 400),
                is_confirmed: false,
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
                is_confirmed: false,
            },
        }
    }

    /// A request reaches the store, whether or not its writer still waits for it, or lives.
    pub(super) fn reached(&mut self, request: Request) {
        let writer = request.writer;
        let answer = match request.operation {
            Operation::Journal(_, fact, at) => Answer::Journal(self.at_record(writer, fact, at)),
            Operation::FindNewest(_) => Answer::Done,
            Operation::WriteManifest(id, named) => self.at_manifest(writer, id, &named),
        };
        let leader = &mut self.coordinators[request.coordinator];
        if leader.attempt.number == request.attempt {
            leader.attempt.came_to = Some(answer);
        }
    }

    /// The store is asked for every part before it gets the manifest.
    fn at_manifest(&mut self, writer: Writer, id: CheckpointId, named: &Named) -> Answer {
        let wrong_parts = self.store.wrong_parts(id, named);
        let mut wrong = wrong_parts.iter().copied();
        let lost = wrong.find(|part| named.contains_key(part));
        if let Some(part) = lost.filter(|_| self.mutation != Some(Mutation::TrustReports)) {
            return Answer::Lost(part);
        }
        match self
            .store
            .create_manifest(id, writer, wrong_parts.is_empty())
        {
            Created::New => {
                self.laws.observe(&Observation::Manifest {
                    step: id.step,
                    wrong_parts,
                });
                Answer::Done
            }
            Created::Ours => Answer::Done,
            Created::Taken => Answer::Fenced,
        }
    }

    fn at_record(
        &mut self,
        writer: Writer,
        fact: JournalFact,
        request: JournalRequest,
    ) -> JournalAnswer {
        let mutation = self.mutation;
        match request {
            JournalRequest::Create(number) => {
                let now = self.agenda.now();
                match self.store.create_record(now, number, writer, fact) {
                    Created::New => {
                        self.observe_record(writer, fact);
                        JournalAnswer::Created
                    }
                    Created::Ours if mutation == Some(Mutation::WriteAgain) => JournalAnswer::Taken,
                    Created::Ours => JournalAnswer::Created,
                    Created::Taken => JournalAnswer::Taken,
                }
            }
            JournalRequest::Read(number) | JournalRequest::Find(number) => {
                match self.store.writer_of(number) {
                    None => JournalAnswer::Missing,
                    Some(found) if found == writer => JournalAnswer::Own,
                    Some(_) if mutation == Some(Mutation::PassOverOthers) => JournalAnswer::Own,
                    Some(_) => JournalAnswer::Others,
                }
            }
        }
    }

    fn observe_record(&mut self, writer: Writer, fact: JournalFact) {
        let fence = writer.fence.get();
        self.laws.observe(&Observation::Appended { fence });
        match fact {
            JournalFact::Generation { generation, .. } => {
                self.laws.observe(&Observation::Recorded { generation });
            }
            JournalFact::Committed(checkpoint) => {
                let CheckpointId { step, generation } = checkpoint;
                let stage = &self.coordinators[writer.nonce].stage;
                let is_found = !matches!(stage, Stage::Serving(_));
                self.laws.observe(&Observation::Committed {
                    checkpoint,
                    is_found,
                });
                if self
                    .store
                    .is_damaged(Source::Checkpoint { step, generation })
                {
                    self.observe_damage();
                }
            }
            JournalFact::Removed(id) => self.observe_giving_up_of(id),
            JournalFact::Finished => {
                self.laws.observe(&Observation::Over { trouble: None });
                self.is_over = true;
            }
            _ => {}
        }
    }

    /// An answer comes, or the coordinator gives the request up.
    pub(super) fn answered(&mut self, coordinator: usize, attempt: u64, is_confirmed: bool) {
        let again = Happening::Answered(coordinator, attempt, is_confirmed);
        let is_awaited = self.coordinators[coordinator].attempt.number == attempt;
        if !is_awaited || !self.can_go_on(coordinator, again) {
            return;
        }
        let came_to = self.coordinators[coordinator].attempt.came_to;
        match came_to.filter(|_| is_confirmed) {
            None => self.try_later(coordinator),
            Some(Answer::Fenced) => self.end_coordinator(coordinator),
            Some(Answer::Done) => self.done(coordinator),
            Some(Answer::Lost(part)) => self.lost(coordinator, part),
            Some(Answer::Journal(answer)) => self.answered_by_journal(coordinator, answer),
        }
    }

    fn answered_by_journal(&mut self, coordinator: usize, answer: JournalAnswer) {
        let leader = &mut self.coordinators[coordinator];
        let Some(Operation::Journal(task, fact, request)) = leader.operation.clone() else {
            return;
        };
        match leader.journal.answered(task, request, answer) {
            JournalProgress::Next(request) => {
                self.operate(coordinator, Operation::Journal(task, fact, request));
            }
            JournalProgress::Done => self.done(coordinator),
            JournalProgress::Lost if task == JournalTask::TakeFence => {
                leader.operation = None;
                let delay = self.random.between(1, 30);
                self.agenda.after(delay, Happening::Read(coordinator));
            }
            JournalProgress::Lost | JournalProgress::Removed => self.end_coordinator(coordinator),
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

    fn done(&mut self, coordinator: usize) {
        let leader = &mut self.coordinators[coordinator];
        match leader.operation.take() {
            Some(Operation::Journal(JournalTask::TakeFence, ..)) => self.taken_over(coordinator),
            Some(Operation::Journal(JournalTask::Append, fact, _)) => {
                self.recorded(coordinator, fact);
            }
            Some(Operation::FindNewest(accused)) => self.passed_over(coordinator, accused),
            Some(
                Operation::Journal(JournalTask::EnsureHeld, ..) | Operation::WriteManifest(..),
            )
            | None => {}
        }
        self.pump(coordinator);
    }

    /// There is no checkpoint: a part is not on the store as it was named.
    fn lost(&mut self, coordinator: usize, part: u32) {
        let leader = &mut self.coordinators[coordinator];
        let Some(Operation::WriteManifest(id, _)) = leader.operation.take() else {
            return;
        };
        let writer = leader.named_by.get(&(id, part)).copied();
        let culprit = writer.map(|worker| (worker, LOST.to_owned()));
        leader.tasks.lost_checkpoint(id, culprit);
        let is_lost = self.lost_parts.contains(&(id, part));
        let step = id.step;
        self.laws.observe(&Observation::Lost {
            step,
            part,
            is_lost,
        });
        self.pump(coordinator);
    }

    fn recorded(&mut self, coordinator: usize, fact: JournalFact) {
        match (fact, &mut self.coordinators[coordinator].stage) {
            (JournalFact::Interrupted, _) => self.end_coordinator(coordinator),
            (JournalFact::Removed(id), _) => self.given_up(coordinator, id),
            (JournalFact::Committed(id), Stage::Serving(_)) => {
                self.coordinators[coordinator].retention.committed(id);
            }
            (JournalFact::Committed(id), Stage::TakenOver(taken, _)) => {
                taken.recorded_commit(id);
                self.go_on_opening(coordinator);
            }
            _ => {}
        }
    }
}
