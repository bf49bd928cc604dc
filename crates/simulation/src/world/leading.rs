//! Coordinators: they let `control` decide, carry out one command after another, and find out that they are fenced.

use super::{Happening, World};
use crate::coordinator::Operation;
use crate::observation::Observation;
use crate::store::Record;
use crate::worker::{Told, UNFIT};
use fratmae_control::{Assignment, Cause, Command, Event, Rank, RunOutcome, Step};

/// How often time alone is looked at, and how often the fence, on a coordinator's own clock.
pub(super) const TICK: u64 = 300;
pub(super) const FENCE_CHECK: u64 = 2_000;

impl World {
    pub(super) fn tick(&mut self, coordinator: usize) {
        let leader = &mut self.coordinators[coordinator];
        if leader.is_up {
            leader.is_tick_due = true;
            let delay = leader.clock.truly(TICK);
            self.agenda.after(delay, Happening::Tick(coordinator));
            self.pump(coordinator);
        }
    }

    /// A coordinator that has nothing to write still finds out that another one leads.
    pub(super) fn check_fence(&mut self, coordinator: usize) {
        let leader = &mut self.coordinators[coordinator];
        if leader.is_up {
            leader.is_check_due = true;
            let delay = leader.clock.truly(FENCE_CHECK);
            self.agenda.after(delay, Happening::CheckFence(coordinator));
            self.pump(coordinator);
        }
    }

    /// Whether a coordinator gets on with something; one that is paused does so later.
    pub(super) fn can_go_on(&mut self, coordinator: usize, something: Happening) -> bool {
        let leader = &self.coordinators[coordinator];
        if leader.is_up && leader.is_paused {
            self.agenda.after(50, something);
            return false;
        }
        leader.is_up
    }

    /// Lets `control` see what has come, and does what it says, until the store has to be waited for.
    ///
    /// What has come goes before the look at the fence, and that before time, which is looked at when all is read.
    pub(super) fn pump(&mut self, coordinator: usize) {
        while self.coordinators[coordinator].is_free() && !self.is_over {
            let leader = &mut self.coordinators[coordinator];
            if let Some(command) = leader.todo.pop_front() {
                self.execute(coordinator, command);
            } else if let Some(done) = leader.completed.pop_front() {
                self.decide(coordinator, done);
            } else if leader.unwritten > 0 {
                leader.unwritten -= 1;
                self.operate(coordinator, [Operation::Append(Record::Verdict)]);
            } else if let Some(event) = leader.inbox.pop_front() {
                self.decide(coordinator, event);
            } else if std::mem::take(&mut leader.is_check_due) {
                self.operate(coordinator, [Operation::EnsureHeld]);
            } else if std::mem::take(&mut leader.is_tick_due) {
                self.decide(coordinator, Event::Tick);
            } else {
                return;
            }
        }
    }

    /// Lets `control` see an event, at the time that its coordinator's clock shows.
    fn decide(&mut self, coordinator: usize, event: Event) {
        let leader = &mut self.coordinators[coordinator];
        let now = leader.clock.at(self.agenda.now());
        if let Some(subject) = &mut leader.subject {
            leader.todo.extend(subject.handle(now, event));
        }
    }

    fn execute(&mut self, coordinator: usize, command: Command) {
        match command {
            Command::RecordGeneration {
                generation,
                members,
            } => {
                let members = members.len() as u32;
                let record = Record::Generation {
                    generation,
                    members,
                };
                self.operate(coordinator, [Operation::Append(record)]);
            }
            Command::CommitCheckpoint { generation, step } => {
                let operations = [
                    Operation::EnsureHeld,
                    Operation::Commit(step, generation),
                    Operation::Append(Record::Commit { generation, step }),
                ];
                self.operate(coordinator, operations);
            }
            Command::PassOver {
                checkpoint: (generation, step),
                ..
            } => self.operate(coordinator, [Operation::PassOver(generation, step)]),
            Command::Prepare {
                worker,
                generation,
                leaving,
            } => {
                self.laws.observe(&Observation::Told { generation });
                self.tell(coordinator, worker, Told::Prepare(generation, leaving));
            }
            Command::Begin { worker, assignment } => {
                if assignment.rank == Rank::new(0) {
                    self.observe_beginning(coordinator, &assignment);
                }
                self.tell(coordinator, worker, Told::Begin(Box::new(assignment)));
            }
            Command::Save { worker } => self.tell(coordinator, worker, Told::Save),
            Command::Saved { step } => self.observe_answer(step),
            Command::ProbeHost(knock) => self.knock(coordinator, &knock),
            Command::Stop {
                worker,
                reason,
                is_failure,
            } => {
                if is_failure {
                    self.observe_striking_off(coordinator, worker, reason);
                }
                self.tell(coordinator, worker, Told::Stop);
            }
            Command::Report { .. } => self.coordinators[coordinator].unwritten += 1,
            Command::Drain { .. } | Command::Statement { .. } | Command::Left { .. } => {}
            Command::End { outcome } => self.end(coordinator, &outcome),
        }
    }

    fn observe_answer(&mut self, step: Step) {
        let is_durable = self.store.was_committed(step);
        self.laws.observe(&Observation::Saved { step, is_durable });
    }

    fn observe_beginning(&mut self, coordinator: usize, assignment: &Assignment) {
        let generation = assignment.generation;
        self.laws.observe(&Observation::Told { generation });
        // Whoever has left for another coordinator will not hear of it.
        let hears = |(stream, place): (u64, usize)| {
            let address = format!("place-{place}");
            let is_seated = assignment.seats.iter().any(|seat| seat.address == address);
            let is_there = self.workers[place].stream == Some((stream, coordinator));
            (is_seated && is_there).then_some(place)
        };
        let streams = self.coordinators[coordinator].streams.iter();
        let streams = streams.map(|(stream, link)| (*stream, link.place));
        let places: Vec<usize> = streams.filter_map(hears).collect();
        let alive = places.iter().map(|place| &self.workers[*place]);
        let held = alive.filter_map(|worker| worker.held.map(|state| state.step));
        let fence = self.coordinators[coordinator].writer.fence;
        let newest = held.chain([self.store.committed_until(fence)]).max();
        let process = |place: &usize| (*place as u64) << 32 | self.workers[*place].incarnation;
        self.laws.observe(&Observation::Begun {
            generation,
            members: places.iter().map(process).collect(),
            step: assignment.source.step(),
            newest: newest.unwrap_or_default(),
        });
    }

    /// Makes the outcome durable.
    fn end(&mut self, coordinator: usize, outcome: &RunOutcome) {
        let record = match outcome {
            RunOutcome::Finished { .. } => Record::Finished,
            // Whoever cares for the run starts it again.
            RunOutcome::Interrupted {
                cause: Cause::Deserted,
                ..
            } => Record::Interrupted,
            // Nobody was left who could go on. Whoever cares for the run starts it again.
            RunOutcome::Failed { reason } if reason.contains(UNFIT) => {
                self.observe_giving_up(coordinator);
                return self.end_all(coordinator);
            }
            RunOutcome::Interrupted { .. } | RunOutcome::Failed { .. } => {
                let trouble = Some(format!("{outcome:?}"));
                return self.laws.observe(&Observation::Over { trouble });
            }
        };
        self.operate(coordinator, [Operation::Append(record)]);
    }

    /// A coordinator tells its workers to end, waits for that, and ends.
    fn end_all(&mut self, coordinator: usize) {
        for place in 0..self.workers.len() {
            let stream = self.workers[place].stream;
            if stream.is_some_and(|(_, its)| its == coordinator) {
                self.kill_worker(place);
            }
        }
        self.end_coordinator(coordinator);
    }

    /// A coordinator's process is gone, and its streams with it.
    pub(super) fn end_coordinator(&mut self, coordinator: usize) {
        let leader = &mut self.coordinators[coordinator];
        leader.is_up = false;
        for place in 0..self.workers.len() {
            let stream = self.workers[place].stream;
            if stream.is_some_and(|(_, its)| its == coordinator) {
                self.workers[place].stream = None;
                self.look_again(place);
            }
        }
        if self.coordinators.iter().all(|leader| !leader.is_up) {
            self.start_coordinator();
        }
    }
}
