//! Coordinators: they let `control` decide, carry out one command after another, and find out that they are fenced.

use super::{Happening, World};
use crate::coordinator::{Operation, Stage};
use crate::mutation::Mutation;
use crate::observation::Observation;
use crate::worker::{CoordinatorMessage, UNFIT};
use fratmae_control::{
    Assignment, Cause, CheckpointId, Command, Event, JournalFact, JournalTask, Operation as Asked,
    Rank, RunOutcome, Step, Task,
};
use std::rc::Rc;

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

    /// Does what follows from what has come, until the store has to be waited for.
    pub(super) fn pump(&mut self, coordinator: usize) {
        while self.coordinators[coordinator].is_free() && !self.is_over {
            let leader = &mut self.coordinators[coordinator];
            let now = leader.clock.at(self.agenda.now());
            let Stage::Serving(subject) = &mut leader.stage else {
                return;
            };
            let mut adopted = Vec::new();
            let decide = |event| {
                let comes = matches!(event, Event::Registered { .. });
                let commands = subject.handle(now, event);
                if comes {
                    adopted = subject.members();
                }
                let is_end = |command: &Command| matches!(command, Command::End { .. });
                leader.is_ending |= commands.iter().any(is_end);
                commands
            };
            let task = leader.tasks.next(decide);
            self.observe_members(&adopted);
            match task {
                Some(Task::Operate(asked)) => self.operate_as_asked(coordinator, asked),
                Some(Task::Carry(command)) => self.carry(coordinator, command),
                None if !self.take_on(coordinator) => return,
                None => {}
            }
        }
    }

    fn observe_members(&mut self, names: &[String]) {
        for name in names {
            let place = name.strip_prefix("place-").and_then(|it| it.parse().ok());
            let Some(place) = place else { continue };
            let outsiders = self.outsiders.difference(&self.intruders);
            let mut places = outsiders.filter_map(|it| self.place_of.get(&it.get()));
            let had_seat = !places.any(|its| *its == place);
            self.laws.observe(&Observation::Adopted { place, had_seat });
        }
    }

    /// Takes on what has come next, if anything has; the end of the run comes before it, then the look at the fence, and
    /// last time, which is looked at when all is read.
    fn take_on(&mut self, coordinator: usize) -> bool {
        let leader = &mut self.coordinators[coordinator];
        if let Some(end) = leader.end.take() {
            self.at_journal(coordinator, JournalTask::Append, end);
        } else if let Some(event) = leader.inbox.pop_front() {
            let Some(event) = self.check_sender(coordinator, event) else {
                return true;
            };
            self.note(coordinator, &event);
            self.coordinators[coordinator].tasks.push(event);
        } else if std::mem::take(&mut leader.is_check_due) {
            self.at_journal(coordinator, JournalTask::EnsureHeld, JournalFact::Other);
        } else if std::mem::take(&mut leader.is_tick_due) {
            leader.tasks.push(Event::Tick);
            leader.is_collection_due = true;
        } else {
            return self.give_up_surplus(coordinator);
        }
        true
    }

    /// Keeps what a member says of its share, for the manifest, if `control` admits it.
    fn note(&mut self, coordinator: usize, event: &Event) {
        let Event::PartsWritten {
            worker,
            generation,
            step,
            parts,
        } = event
        else {
            return;
        };
        let leader = &mut self.coordinators[coordinator];
        let is_heard = match &leader.stage {
            Stage::Serving(subject) => subject.admits(event),
            _ => false,
        };
        if !is_heard && self.mutation != Some(Mutation::NoteUnasked) {
            return;
        }
        let id = CheckpointId {
            step: *step,
            generation: *generation,
        };
        let place = self.place_of.get(&worker.get()).copied();
        let share = place.and_then(|place| self.shares.get(&(id, place)));
        // What nobody wrote has some digest too.
        let digest = |part: u32| match share {
            Some((rank, digest)) if *rank == part => *digest,
            _ => 0,
        };
        let named = leader.shares.entry(id).or_default();
        named.extend(parts.iter().map(|part| (*part, digest(*part))));
        let named_by = parts.iter().map(|part| ((id, *part), *worker));
        leader.named_by.extend(named_by);
    }

    fn operate_as_asked(&mut self, coordinator: usize, asked: Asked) {
        let (task, fact) = match asked {
            Asked::EnsureHeld => (JournalTask::EnsureHeld, JournalFact::Other),
            Asked::WriteManifest(id) => {
                let named = self.coordinators[coordinator].shares.remove(&id);
                let named = Rc::new(named.unwrap_or_default());
                return self.operate(coordinator, Operation::WriteManifest(id, named));
            }
            Asked::FindNewest { damaged, .. } => {
                return self.operate(coordinator, Operation::FindNewest(damaged));
            }
            Asked::RecordGeneration {
                generation,
                members,
            } => {
                let members = members.len() as u32;
                let fact = JournalFact::Generation {
                    generation,
                    members,
                };
                (JournalTask::Append, fact)
            }
            Asked::RecordCommit(id) => (JournalTask::Append, JournalFact::Committed(id)),
            Asked::RecordVerdict(_) => (JournalTask::Append, JournalFact::Other),
        };
        self.at_journal(coordinator, task, fact);
    }

    fn carry(&mut self, coordinator: usize, command: Command) {
        match command {
            Command::Prepare {
                worker,
                generation,
                leaving,
            } => {
                self.laws.observe(&Observation::Announced { generation });
                self.tell(
                    coordinator,
                    worker,
                    CoordinatorMessage::Prepare(generation, leaving),
                );
            }
            Command::Begin { worker, assignment } => {
                if self.outsiders.contains(&worker) {
                    self.intruders.insert(worker);
                }
                if assignment.rank == Rank::new(0) {
                    self.observe_beginning(coordinator, &assignment);
                }
                self.tell(
                    coordinator,
                    worker,
                    CoordinatorMessage::Begin(Box::new(assignment)),
                );
            }
            Command::Save { worker } => self.tell(coordinator, worker, CoordinatorMessage::Save),
            Command::Saved { step } => self.observe_answer(step),
            Command::ProbeHost(probe) => self.probe(coordinator, &probe),
            Command::Stop {
                worker,
                reason,
                parting,
            } => {
                // All are told to stop where the run ends, which is a verdict on nobody.
                if parting.is_failure() && !self.coordinators[coordinator].is_ending {
                    self.observe_striking_off(coordinator, worker, reason);
                }
                self.tell(coordinator, worker, CoordinatorMessage::Stop);
            }
            Command::Report { verdict } => self.observe_verdict(coordinator, &verdict),
            Command::RecordGeneration { .. }
            | Command::CommitCheckpoint { .. }
            | Command::PassOver { .. }
            | Command::Gone { .. }
            | Command::Drain { .. }
            | Command::Statement { .. }
            | Command::Left { .. } => {}
            Command::End { outcome } => self.end(coordinator, &outcome),
        }
    }

    fn observe_answer(&mut self, step: Step) {
        let is_durable = self.store.was_committed(step);
        self.laws.observe(&Observation::Saved { step, is_durable });
    }

    fn observe_beginning(&mut self, coordinator: usize, assignment: &Assignment) {
        let generation = assignment.generation;
        self.laws.observe(&Observation::Announced { generation });
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
        let fence = self.coordinators[coordinator].journal.fence();
        let newest = held.chain([self.store.committed_until(fence)]).max();
        let process = |place: &usize| (*place as u64) << 32 | self.workers[*place].incarnation;
        self.laws.observe(&Observation::Begun {
            generation,
            members: places.iter().map(process).collect(),
            source: assignment.source,
            newest: newest.unwrap_or_default(),
        });
    }

    /// What is to be written of the run's end.
    fn end(&mut self, coordinator: usize, outcome: &RunOutcome) {
        let end = match outcome {
            RunOutcome::Finished { .. } => JournalFact::Finished,
            // Whoever cares for the run starts it again.
            RunOutcome::Interrupted {
                cause: Cause::Deserted,
                ..
            } => JournalFact::Interrupted,
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
        self.coordinators[coordinator].end = Some(end);
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
