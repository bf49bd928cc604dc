//! The simulated world: what is in it, and what happens next.
//!
//! Its parts: `streams` between workers and coordinators; coordinators that are `opening` a run, `leading` it, `writing` to
//! its store and `keeping` some of its checkpoints; `training` in groups, what `hearts` tell of it, and `probes` of silent
//! hosts; `faults`, among them `sick_stores` and faulty `memory`; `liars`, who have no seat; what is truly behind `verdicts`.

mod faults;
mod hearts;
mod keeping;
mod leading;
mod liars;
mod memory;
mod opening;
mod probes;
mod sick_stores;
mod streams;
mod training;
mod verdicts;
mod writing;

use crate::agenda::Agenda;
use crate::coordinator::Coordinator;
use crate::group::Group;
use crate::laws::Laws;
use crate::mutation::Mutation;
use crate::observation::Observation;
use crate::random::{Random, mix};
use crate::store::{Digest, Store};
use crate::worker::{CoordinatorMessage, State, Worker};
use faults::Fault;
use fratmae_control::{
    CheckpointId, Event, Found, Generation, JournalState, Millis, Rank, Settings, Step, WorkerId,
};
use std::collections::{BTreeMap, BTreeSet};
use writing::Request;

/// What came of one simulated run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The seed it follows from.
    pub seed: u64,
    pub happenings: u64,
    /// A digest over all of them in order.
    pub trace: u64,
    /// Generations that were recorded.
    pub generations: u64,
    /// The first law that was broken, and how.
    pub violation: Option<String>,
}

/// Simulates the run of a seed to its end, or to the first broken law.
#[must_use]
pub fn simulate(seed: u64, mutation: Option<Mutation>) -> Report {
    narrate(seed, mutation, |_, _| {})
}

/// Simulates as [`simulate`], and tells everything that happens, with its time in milliseconds.
pub fn narrate(
    seed: u64,
    mutation: Option<Mutation>,
    mut tell: impl FnMut(u64, &dyn std::fmt::Debug),
) -> Report {
    let mut world = World::new(seed, mutation);
    world.begin();
    while let Some(happening) = world.agenda.pop() {
        world.happenings += 1;
        tell(world.agenda.now(), &happening);
        world.trace = mix(world.trace ^ mix(world.agenda.now() ^ happening.code() << 32));
        world.happen(happening);
        if world.is_over || world.laws.violation.is_some() {
            break;
        }
    }
    Report {
        seed,
        happenings: world.happenings,
        trace: world.trace,
        generations: world.store.generation().get(),
        violation: world.laws.violation,
    }
}

/// Something that happens at its time.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    StartWorker(usize),
    Register(usize, u64),
    Beat(usize, u64),
    ToWorker(usize, u64, CoordinatorMessage),
    ToCoordinator(usize, u64, Event),
    Read(usize),
    Found(usize, Option<JournalState>, Found),
    Tick(usize),
    CheckFence(usize),
    Unanswered(usize, Event),
    Reached(Request),
    Answered(usize, u64, bool),
    TryAgain(usize, u64),
    Formed(usize),
    Deadline(usize),
    StepEnds(usize, u64),
    Failed(usize, u64, usize),
    Parts(usize, u64, Share),
    Sweep(CheckpointId),
    KeepAlive(usize, u64),
    Lie(usize),
    BeatIdly(usize),
    Fault(Fault),
    ResumeWorker(usize, u64),
    ResumeCoordinator(usize),
    Heal,
    GiveUp,
}

/// One rank's share of a checkpoint on its way to the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    generation: Generation,
    rank: Rank,
    state: State,
}

impl Happening {
    /// A number that tells happenings apart, for the trace.
    fn code(&self) -> u64 {
        let (kind, subject) = match self {
            Self::StartWorker(place) => (1, *place),
            Self::Register(place, _) => (2, *place),
            Self::Beat(place, _) => (3, *place),
            Self::ToWorker(place, ..) => (4, *place),
            Self::ToCoordinator(coordinator, ..) => (5, *coordinator),
            Self::Read(coordinator) => (6, *coordinator),
            Self::Tick(coordinator) => (7, *coordinator),
            Self::CheckFence(coordinator) => (8, *coordinator),
            Self::Reached(request) => (9, request.coordinator),
            Self::Answered(coordinator, ..) => (10, *coordinator),
            Self::Formed(group) => (11, *group),
            Self::Deadline(group) => (12, *group),
            Self::StepEnds(group, _) => (13, *group),
            Self::Failed(place, ..) => (14, *place),
            Self::Parts(place, ..) => (15, *place),
            Self::Fault(_) => (16, 0),
            Self::ResumeWorker(place, _) => (17, *place),
            Self::ResumeCoordinator(coordinator) => (18, *coordinator),
            Self::Heal => (19, 0),
            Self::GiveUp => (20, 0),
            Self::Found(coordinator, ..) => (21, *coordinator),
            Self::TryAgain(coordinator, _) => (23, *coordinator),
            Self::Unanswered(coordinator, _) => (24, *coordinator),
            Self::Sweep(_) => (25, 0),
            Self::KeepAlive(place, _) => (26, *place),
            Self::Lie(place) => (27, *place),
            Self::BeatIdly(place) => (28, *place),
        };
        kind << 16 | subject as u64
    }
}

/// Everything there is.
pub(crate) struct World {
    random: Random,
    agenda: Agenda<Happening>,
    settings: Settings,
    checkpoint_every: u64,
    mutation: Option<Mutation>,
    store: Store,
    checkpoints: BTreeMap<CheckpointId, State>,
    /// How many of the newest checkpoints stay.
    keep_last: usize,
    /// Which part of a checkpoint the worker at a place has written.
    shares: BTreeMap<(CheckpointId, usize), (u32, Digest)>,
    coordinators: Vec<Coordinator>,
    workers: Vec<Worker>,
    groups: Vec<Group>,
    group_of: BTreeMap<Generation, usize>,
    /// Pairs of places that cannot reach each other, and until when.
    cut_peers: BTreeMap<(usize, usize), u64>,
    store_is_sick_until: u64,
    /// Since when workers' own stores have failed, one or more, without a step of the newest group between.
    unfit_since: Option<u64>,
    next_stream: u64,
    /// Workers that never had a seat, although they may say so.
    outsiders: BTreeSet<WorkerId>,
    /// Outsiders that have been given a seat.
    intruders: BTreeSet<WorkerId>,
    /// Parts that are not on the store although they were written.
    lost_parts: BTreeSet<(CheckpointId, u32)>,
    /// At which place the worker at the other end of each stream is, or was.
    place_of: BTreeMap<u64, usize>,
    laws: Laws,
    is_healed: bool,
    is_over: bool,
    happenings: u64,
    trace: u64,
}

impl World {
    fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let mut random = Random::new(seed);
        let slots = random.between(1, 8) as u32;
        let workers = random.between(1, 6) as u32;
        let places = workers as usize + random.below(2) as usize;
        let settings = Settings {
            slots,
            workers,
            least_workers: 1 + (seed % u64::from(workers)) as u32,
            settle: Millis::new(500),
            last_step: Step::new(random.between(10, 60)),
            least_timeout: Millis::new(2_000),
            store_patience: Millis::new(0),
            worker_timeout: Millis::new(3_000),
            join_timeout: Millis::new(60_000),
            return_timeout: Millis::new(1_500),
            leave_timeout: Millis::new(4_000),
            max_without_step: 5,
            save_every: None,
        };
        let settings = Settings {
            save_every: random
                .chance(500)
                .then(|| Millis::new(random.between(200, 2_000))),
            ..settings
        };
        Self {
            checkpoint_every: random.between(2, 12),
            keep_last: random.between(1, 3) as usize,
            random,
            agenda: Agenda::new(),
            settings,
            mutation,
            store: Store::default(),
            checkpoints: BTreeMap::new(),
            shares: BTreeMap::new(),
            coordinators: Vec::new(),
            workers: (0..places).map(|_| Worker::new()).collect(),
            groups: Vec::new(),
            group_of: BTreeMap::new(),
            cut_peers: BTreeMap::new(),
            store_is_sick_until: 0,
            unfit_since: None,
            next_stream: 1,
            outsiders: BTreeSet::new(),
            intruders: BTreeSet::new(),
            lost_parts: BTreeSet::new(),
            place_of: BTreeMap::new(),
            laws: Laws::new(slots),
            is_healed: false,
            is_over: false,
            happenings: 0,
            trace: seed,
        }
    }

    fn begin(&mut self) {
        self.start_coordinator();
        for place in 0..self.workers.len() {
            let delay = self.random.below(400);
            self.agenda.after(delay, Happening::StartWorker(place));
        }
        self.plan_faults();
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::StartWorker(place) => self.start_worker(place),
            Happening::Register(place, incarnation) => self.register(place, incarnation),
            Happening::Beat(place, incarnation) => self.beat(place, incarnation),
            Happening::ToWorker(place, stream, message) => self.hear(place, stream, message),
            Happening::ToCoordinator(coordinator, stream, event) => {
                self.receive(coordinator, stream, event);
            }
            Happening::Read(coordinator) => self.read(coordinator),
            Happening::Tick(coordinator) => self.tick(coordinator),
            Happening::CheckFence(coordinator) => self.check_fence(coordinator),
            Happening::Unanswered(coordinator, event) => self.unanswered(coordinator, event),
            Happening::Found(coordinator, journal, found) => {
                self.found(coordinator, journal, found);
            }
            Happening::Reached(request) => self.reached(request),
            Happening::Answered(coordinator, attempt, is_confirmed) => {
                self.answered(coordinator, attempt, is_confirmed);
            }
            Happening::TryAgain(coordinator, attempt) => self.try_again(coordinator, attempt),
            Happening::Formed(group) => self.formed(group),
            Happening::Deadline(group) => self.deadline(group),
            Happening::StepEnds(group, ends) => self.step_ends(group, ends),
            Happening::Failed(place, incarnation, group) => {
                self.group_failed(place, incarnation, group);
            }
            Happening::Parts(place, incarnation, share) => {
                self.share_is_stored(place, incarnation, share);
            }
            Happening::Sweep(checkpoint) => self.sweep(checkpoint),
            Happening::KeepAlive(place, stream) => self.keep_alive(place, stream),
            Happening::Lie(place) => self.lie(place),
            Happening::BeatIdly(place) => self.beat_idly(place),
            Happening::Fault(fault) => self.strike(fault),
            Happening::ResumeWorker(place, incarnation) => self.resume_worker(place, incarnation),
            Happening::ResumeCoordinator(coordinator) => self.resume_coordinator(coordinator),
            Happening::Heal => self.heal(),
            Happening::GiveUp => {
                let trouble = Some("the run did not finish after everything healed".to_owned());
                self.laws.observe(&Observation::Over { trouble });
            }
        }
    }

    /// Whether this process still runs at its place; one that is paused sees the happening when it is resumed.
    fn is_alive(&mut self, place: usize, incarnation: u64, happening: &Happening) -> bool {
        let worker = &mut self.workers[place];
        let is_same = worker.is_up && worker.incarnation == incarnation;
        if is_same && worker.is_paused {
            worker.backlog.push(happening.clone());
        }
        is_same && !worker.is_paused
    }

    /// Whether something that happens so many times in a thousand happens now; never after healing.
    fn mishap(&mut self, per_mille: u64) -> bool {
        !self.is_healed && self.random.chance(per_mille)
    }
}
