//! Coordinators: they open the run, let `control` decide, carry out one command after another, and are fenced.

use super::{Happening, World};
use crate::coordinator::Coordinator;
use crate::mutation::Subject;
use crate::observation::Observation;
use crate::store::Record;
use crate::worker::Told;
use fratmae_control::{Assignment, Cause, Command, Event, Millis, Rank, Verdict};

impl World {
    pub(super) fn start_coordinator(&mut self) {
        let coordinator = self.coordinators.len();
        self.coordinators.push(Coordinator::new(0));
        let delay = self.random.between(20, 400);
        self.agenda.after(delay, Happening::OpenRun(coordinator));
    }

    pub(super) fn open_run(&mut self, coordinator: usize) {
        let leader = &mut self.coordinators[coordinator];
        if !leader.is_up {
            return;
        }
        let (recorded, newest) = (self.store.recorded(), self.store.newest());
        leader.fence = self.store.fence() + 1;
        self.store.append(leader.fence, Record::Fence);
        let now = Millis::new(self.agenda.now());
        let settings = self.settings.clone();
        leader.subject = Some(Subject::new(settings, now, recorded, newest, self.mutation));
        self.agenda.after(300, Happening::Tick(coordinator));
        self.agenda.after(2_000, Happening::CheckFence(coordinator));
    }

    pub(super) fn tick(&mut self, coordinator: usize) {
        if !self.coordinators[coordinator].is_up {
            return;
        }
        self.coordinators[coordinator].inbox.push_back(Event::Tick);
        self.pump(coordinator);
        self.agenda.after(300, Happening::Tick(coordinator));
    }

    /// A coordinator that has nothing to write still finds out that another one leads.
    pub(super) fn check_fence(&mut self, coordinator: usize) {
        let leader = &self.coordinators[coordinator];
        if !leader.is_up {
            return;
        }
        if leader.fence < self.store.fence() && !leader.is_paused {
            return self.end_coordinator(coordinator);
        }
        self.agenda.after(2_000, Happening::CheckFence(coordinator));
    }

    /// Lets `control` see what has come, and does what it says, until a write has to be waited for.
    pub(super) fn pump(&mut self, coordinator: usize) {
        let now = Millis::new(self.agenda.now());
        loop {
            let leader = &mut self.coordinators[coordinator];
            let is_held = !leader.is_up || leader.is_paused || leader.writing.is_some();
            if is_held || self.is_over {
                return;
            }
            if let Some(command) = leader.todo.pop_front() {
                self.execute(coordinator, command);
            } else if let (Some(event), Some(subject)) =
                (leader.inbox.pop_front(), leader.subject.as_mut())
            {
                leader.todo.extend(subject.handle(now, event));
            } else {
                return;
            }
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
                self.write(coordinator, record);
            }
            Command::CommitCheckpoint { generation, step } => {
                self.write(coordinator, Record::Commit { generation, step });
            }
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
            Command::Stop { worker, .. } => self.tell(coordinator, worker, Told::Stop),
            Command::Drain { .. }
            | Command::Report { .. }
            | Command::Statement { .. }
            | Command::Left { .. } => {}
            Command::End { verdict } => self.end(coordinator, &verdict),
        }
    }

    fn observe_beginning(&mut self, coordinator: usize, assignment: &Assignment) {
        let generation = assignment.generation;
        self.laws.observe(&Observation::Told { generation });
        // Whoever has left for another coordinator will not hear of it.
        let hears = |(stream, place): &(&u64, &usize)| {
            let address = format!("place-{place}");
            let is_seated = assignment.seats.iter().any(|seat| seat.address == address);
            is_seated && self.workers[**place].stream == Some((**stream, coordinator))
        };
        let streams = self.coordinators[coordinator].streams.iter();
        let places: Vec<usize> = streams.filter(hears).map(|(_, place)| *place).collect();
        let alive = places.iter().map(|place| &self.workers[*place]);
        let held = alive.filter_map(|worker| worker.held.map(|state| state.step));
        let fence = self.coordinators[coordinator].fence;
        let newest = held.chain([self.store.committed_until(fence)]).max();
        let process = |place: &usize| (*place as u64) << 32 | self.workers[*place].incarnation;
        self.laws.observe(&Observation::Begun {
            generation,
            members: places.iter().map(process).collect(),
            step: assignment.source.step(),
            newest: newest.unwrap_or_default(),
        });
    }

    /// Sends a record to the store. It may fail and be tried again; its answer may be lost although it is there.
    fn write(&mut self, coordinator: usize, record: Record) {
        let mut delay = self.random.between(1, 25);
        while self.mishap(100) {
            delay += self.random.between(20, 400);
        }
        self.coordinators[coordinator].writing = Some(record.clone());
        self.agenda
            .after(delay, Happening::Apply(coordinator, record));
        if self.mishap(50) {
            delay += self.random.between(20, 400);
        }
        self.agenda.after(delay, Happening::Written(coordinator));
    }

    /// A record reaches the store, whether or not its writer still lives.
    pub(super) fn apply(&mut self, coordinator: usize, record: &Record) {
        let fence = self.coordinators[coordinator].fence;
        let world = self.store.recorded().members as usize;
        if !self.store.append(fence, record.clone()) {
            return self.end_coordinator(coordinator);
        }
        match *record {
            Record::Generation { generation, .. } => {
                self.laws.observe(&Observation::Recorded { generation });
            }
            Record::Commit { generation, step } => {
                let parts = self.store.n_parts(generation, step);
                self.laws.observe(&Observation::Committed {
                    step,
                    parts,
                    // A generation that is over has another world; the law is about the one that trains.
                    world: match self.store.recorded().generation == generation {
                        true => world,
                        false => parts,
                    },
                });
            }
            Record::Fence | Record::Finished => {}
        }
    }

    pub(super) fn written(&mut self, coordinator: usize) {
        let leader = &mut self.coordinators[coordinator];
        if leader.is_paused {
            return self.agenda.after(50, Happening::Written(coordinator));
        }
        let done = match leader.writing.take() {
            Some(Record::Generation { generation, .. }) => Event::GenerationRecorded { generation },
            Some(Record::Commit { generation, step }) => {
                Event::CheckpointCommitted { generation, step }
            }
            Some(Record::Fence | Record::Finished) | None => return,
        };
        leader.inbox.push_front(done);
        self.pump(coordinator);
    }

    fn end(&mut self, coordinator: usize, verdict: &Verdict) {
        let fence = self.coordinators[coordinator].fence;
        let trouble = match verdict {
            Verdict::Finished { .. } if self.store.append(fence, Record::Finished) => None,
            // Another one leads: it will see the end itself.
            Verdict::Finished { .. } => return self.end_coordinator(coordinator),
            // Whoever cares for the run starts it again.
            Verdict::Interrupted {
                cause: Cause::Deserted,
                ..
            } => return self.end_coordinator(coordinator),
            Verdict::Interrupted { .. } | Verdict::Failed { .. } => Some(format!("{verdict:?}")),
        };
        self.laws.observe(&Observation::Over { trouble });
        self.is_over = true;
    }

    /// A coordinator's process is gone, and its streams with it.
    pub(super) fn end_coordinator(&mut self, coordinator: usize) {
        let leader = &mut self.coordinators[coordinator];
        leader.is_up = false;
        leader.writing = None;
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
