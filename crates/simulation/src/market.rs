//! Many workers on a spot market: machines are taken back in bursts, zone by zone, and given again, and a few fail. What
//! `control` takes for that, and what of the workers' time is left for steps.
//!
//! `control` is the real one and sees every heartbeat, request to leave, closed stream and registration. What workers do
//! in between is computed from the constants below. As the real coordinator does, it hears nothing while a record is
//! written.

mod fleet;
mod prices;
mod season;

use crate::random::Random;
use crate::scale::resident_kib;
use fratmae_control::{
    Assignment, Cluster, Command, Event, Generation, Leaving, Millis, Recorded, Settings, Source,
    Step, WorkerId,
};
use prices::Prices;
pub use season::Season;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Instant;

/// Slots a worker has where none is missing, and how long one takes: who has the most decides how long a step takes.
const SLOTS_A_WORKER: u32 = 8;
const SLOT: Millis = Millis::new(1_000);
/// How often a heart beats, as `coordinator.heartbeat_ms` has it.
const BEAT: Millis = Millis::new(250);
/// How long a record of the journal takes to be durable.
const RECORD: Millis = Millis::new(50);
/// How long members take to leave a group, to form the next one, and longer where a newcomer copies the state.
const LEAVE: Millis = Millis::new(20);
const FORM: Millis = Millis::new(1_500);
const COPY: Millis = Millis::new(3_000);
/// Steps between checkpoints.
const CHECKPOINT: u64 = 50;
const MINUTE: Millis = Millis::new(60_000);

/// What the figures rest on, for whoever reads them.
pub const ASSUMED: &str = "computed with: 8 slots a worker of 1 s each where none is missing, a heartbeat every 0.25 s, 0.05 s a journal record, \
     1.5 s to form a group and 3 s more where a newcomer copies the state; 16 zones, each of which takes back 10 to 60 % of \
     its machines within a minute every 4 h and gives them again after 5 to 40 min, nine of ten with two minutes' notice; \
     each machine fails every 30 d";

/// What is to happen at a time.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The group applies its step, if it is still at this attempt.
    StepEnds(u64),
    /// These have left their group for a generation.
    HaveLeft(Generation, Vec<WorkerId>),
    /// All hearts beat, and the coordinator looks at the time.
    Beat,
    /// A minute of the market begins.
    Minute,
    /// A worker is told that its machine is taken.
    Notice(WorkerId),
    /// A worker's machine is gone.
    Gone(WorkerId),
    /// A machine of this zone is given.
    Given(usize),
    /// A checkpoint's manifest is durable.
    Committed(Generation, Step),
}

/// What the world knows of a worker.
#[derive(Debug, Default)]
struct Worker {
    zone: usize,
    held: Option<Step>,
    /// The group that it is in.
    generation: Generation,
    /// Whether its end is planned.
    is_doomed: bool,
}

/// The group that trains, or leaves.
#[derive(Debug, Default)]
struct Group {
    generation: Generation,
    members: Vec<WorkerId>,
    step: Step,
    /// When the step at hand began.
    began: Millis,
    /// Counted up whenever a step is broken off.
    attempt: u64,
    is_at_work: bool,
    /// Who leaves for which generation after the step at hand.
    leaving: BTreeMap<Generation, Vec<WorkerId>>,
}

struct Market {
    cluster: Cluster,
    now: Millis,
    agenda: BinaryHeap<Reverse<(Millis, u64, Due)>>,
    n_planned: u64,
    workers: BTreeMap<WorkerId, Worker>,
    next_worker: u64,
    group: Group,
    prices: Prices,
    season: Season,
}

/// Lets a run live on the market for so many minutes, with up to so many workers; the same seed gives the same run.
#[must_use]
pub fn season(workers: u32, minutes: u64, seed: u64) -> Season {
    let before = resident_kib();
    let mut market = Market::open(workers, seed);
    let end = Millis::new(MINUTE.get().saturating_mul(minutes));
    while let Some(Reverse((at, _, due))) = market.agenda.pop() {
        if at > end {
            break;
        }
        // It may still be busy with what came before.
        market.now = market.now.max(at);
        market.act(due);
    }
    market.season.memory_kib = before
        .zip(resident_kib())
        .map(|(before, after)| after.saturating_sub(before));
    market.season
}

impl Market {
    fn open(workers: u32, seed: u64) -> Self {
        let settings = Settings {
            slots: workers.saturating_mul(SLOTS_A_WORKER),
            workers,
            least_workers: 1,
            settle: Millis::new(10_000),
            last_step: Step::new(u64::MAX - 1),
            least_timeout: Millis::new(4_750),
            store_patience: Millis::new(60_000),
            worker_timeout: Millis::new(30_000),
            join_timeout: Millis::new(600_000),
            return_timeout: Millis::new(20_000),
            leave_timeout: Millis::new(120_000),
            max_without_step: 5,
            save_every: None,
        };
        let now = Millis::new(0);
        let mut market = Self {
            cluster: Cluster::new(settings, now, Recorded::default(), Source::Initial),
            now,
            agenda: BinaryHeap::new(),
            n_planned: 0,
            workers: BTreeMap::new(),
            next_worker: 0,
            group: Group::default(),
            prices: Prices::new(Random::new(seed)),
            season: Season {
                workers,
                ..Season::default()
            },
        };
        for number in 0..workers as usize {
            market.join(number % prices::ZONES);
        }
        market.plan(BEAT, Due::Beat);
        market.plan(MINUTE, Due::Minute);
        market
    }

    fn plan(&mut self, after: Millis, due: Due) {
        self.n_planned += 1;
        let at = self.now.plus(after);
        self.agenda.push(Reverse((at, self.n_planned, due)));
    }

    fn act(&mut self, due: Due) {
        match due {
            Due::StepEnds(attempt) => self.step_ends(attempt),
            Due::HaveLeft(generation, workers) => {
                for worker in workers {
                    let held = self.workers.get(&worker).map(|known| known.held);
                    if let Some(held) = held {
                        self.see(Event::Prepared {
                            worker,
                            generation,
                            held,
                        });
                    }
                }
            }
            Due::Beat => self.beat(),
            Due::Minute => self.minute(),
            Due::Notice(worker) => {
                if self.workers.contains_key(&worker) {
                    self.see(Event::LeaveRequested { worker });
                }
            }
            Due::Gone(worker) => self.lose(worker),
            Due::Given(zone) => {
                self.season.joined += 1;
                self.join(zone);
            }
            Due::Committed(generation, step) => {
                self.see(Event::CheckpointCommitted { generation, step });
            }
        }
    }

    /// Hands an event over, and does what is commanded.
    fn see(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let began = Instant::now();
            let commands = self.cluster.handle(self.now, event);
            let took = began.elapsed();
            self.season.events += 1;
            self.season.took += took;
            self.season.longest = self.season.longest.max(took);
            self.obey(commands, &mut events);
        }
    }

    fn obey(&mut self, commands: Vec<Command>, events: &mut Vec<Event>) {
        let (mut leave_now, mut begun) = (BTreeMap::<Generation, Vec<WorkerId>>::new(), Vec::new());
        for command in commands {
            match command {
                Command::RecordGeneration { generation, .. } => {
                    self.season.generations += 1;
                    self.now = self.now.plus(RECORD);
                    events.push(Event::GenerationRecorded { generation });
                }
                Command::CommitCheckpoint { generation, step } => {
                    self.plan(Millis::new(5_000), Due::Committed(generation, step));
                }
                Command::Prepare {
                    worker,
                    generation,
                    leaving,
                } => {
                    let is_at_work = self.group.is_at_work
                        && self
                            .workers
                            .get(&worker)
                            .is_some_and(|known| known.generation == self.group.generation);
                    let leavers = match leaving {
                        Leaving::AfterTheStep if is_at_work => &mut self.group.leaving,
                        Leaving::AfterTheStep => &mut leave_now,
                        Leaving::AtOnce => {
                            self.break_off();
                            &mut leave_now
                        }
                    };
                    leavers.entry(generation).or_default().push(worker);
                }
                Command::Begin { worker, assignment } => begun.push((worker, assignment)),
                Command::Stop { worker, .. } => {
                    self.workers.remove(&worker);
                }
                _ => {}
            }
        }
        for (generation, leavers) in leave_now {
            self.plan(LEAVE, Due::HaveLeft(generation, leavers));
        }
        self.begin(&begun);
    }

    /// A group begins with these members, in their order.
    fn begin(&mut self, begun: &[(WorkerId, Assignment)]) {
        let Some((_, first)) = begun.first() else {
            return;
        };
        let (generation, step) = (first.generation, first.source.step());
        let copies = first.seats.iter().any(|seat| !seat.is_holder);
        let members: Vec<_> = begun.iter().map(|(worker, _)| *worker).collect();
        for member in &members {
            if let Some(known) = self.workers.get_mut(member) {
                (known.held, known.generation) = (Some(step), generation);
            }
        }
        let copy = if copies { COPY } else { Millis::new(0) };
        let formed = FORM.plus(copy);
        self.group = Group {
            generation,
            members,
            step,
            began: self.now.plus(formed),
            attempt: self.group.attempt + 1,
            is_at_work: true,
            leaving: BTreeMap::new(),
        };
        let step_ends = formed.plus(self.step_time());
        self.plan(step_ends, Due::StepEnds(self.group.attempt));
    }

    /// How long the group takes for a step: as long as the one with the most slots.
    fn step_time(&self) -> Millis {
        let slots = u64::from(self.season.workers) * u64::from(SLOTS_A_WORKER);
        let most = slots.div_ceil(self.group.members.len().max(1) as u64);
        Millis::new(most * SLOT.get())
    }

    /// The step at hand is lost, with whoever was to leave after it, who leaves at once.
    fn break_off(&mut self) {
        if std::mem::take(&mut self.group.is_at_work) {
            let members = self.group.members.len() as u64;
            self.season.again += 1;
            self.season.broken += members * self.now.since(self.group.began).get();
            self.group.attempt += 1;
            self.group.leaving.clear();
        }
    }

    fn step_ends(&mut self, attempt: u64) {
        if attempt != self.group.attempt || !self.group.is_at_work {
            return;
        }
        let step = self.group.step.next();
        self.group.step = step;
        self.season.steps += 1;
        let slots = u64::from(self.season.workers) * u64::from(SLOTS_A_WORKER);
        let useful = slots * SLOT.get();
        let taken = self.group.members.len() as u64 * self.step_time().get();
        self.season.useful += useful;
        self.season.waited += taken.saturating_sub(useful);
        self.group.began = self.now;
        let (generation, members) = (self.group.generation, self.group.members.clone());
        for member in &members {
            if let Some(known) = self.workers.get_mut(member) {
                known.held = Some(step);
            }
        }
        let leaving = std::mem::take(&mut self.group.leaving);
        self.group.is_at_work = leaving.is_empty();
        if let Some(&worker) = members.first() {
            self.see(Event::Applied {
                worker,
                generation,
                step,
                is_recalled: false,
            });
        }
        if step.get().is_multiple_of(CHECKPOINT) {
            for worker in members {
                let parts = Vec::new();
                self.see(Event::PartsWritten {
                    worker,
                    generation,
                    step,
                    parts,
                });
            }
        }
        for (next, leavers) in leaving {
            self.plan(LEAVE, Due::HaveLeft(next, leavers));
        }
        if self.group.is_at_work && self.group.attempt == attempt {
            self.plan(self.step_time(), Due::StepEnds(attempt));
        }
    }
}

#[cfg(test)]
mod tests;
