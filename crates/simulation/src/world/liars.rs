//! Outsiders: streams that say what only members may say, claim seats that they never had, or come in and do no work.
//!
//! A liar has a place as workers have, at which nothing ever runs. It says a few things and is silent then, or its heart
//! beats on for ever. That it is given a seat where one is free is nobody's fault; what it does to the others is.

use super::{Happening, World};
use crate::coordinator::Stage;
use crate::mutation::{Mutation, said_by};
use crate::worker::{UNFIT, Worker};
use fratmae_control::{
    Accusation, CheckpointId, Event, Fence, Generation, Past, Progress, Rank, Step, WorkerId,
};

/// How often a liar's heart beats that beats on.
const BEAT: u64 = 700;
/// How many lies one tells at most, within what time.
const LIES: u64 = 6;
const LONGEST: u64 = 1_500;

impl World {
    /// Somebody opens a stream to the coordinator that leads.
    pub(super) fn begin_to_lie(&mut self, coordinator: usize) {
        let leader = &self.coordinators[coordinator];
        if !leader.is_serving() || leader.is_paused {
            return;
        }
        let place = self.workers.len();
        self.workers.push(Worker::new());
        let worker = self.open_stream(place, coordinator);
        self.outsiders.insert(worker);
        if self.random.chance(500) {
            let past = Past {
                seat: self.random.chance(500).then(|| self.guess_seat()),
                held: self.random.chance(300).then(|| self.guess_step()),
            };
            self.say(
                place,
                Event::Registered {
                    worker,
                    name: format!("place-{place}"),
                    address: format!("place-{place}"),
                    past,
                },
            );
        }
        if self.random.chance(300) {
            self.agenda.after(BEAT, Happening::BeatIdly(place));
        }
        for _ in 0..self.random.below(LIES) {
            let delay = self.random.below(LONGEST);
            self.agenda.after(delay, Happening::Lie(place));
        }
    }

    /// A liar's heart beats, although it does no work.
    pub(super) fn beat_idly(&mut self, place: usize) {
        if let Some(worker) = self.identity(place) {
            let progress = Progress::default();
            self.say(place, Event::Beat { worker, progress });
            self.agenda.after(BEAT, Happening::BeatIdly(place));
        }
    }

    pub(super) fn lie(&mut self, place: usize) {
        if let Some(worker) = self.identity(place) {
            let lie = self.invent(worker);
            self.say(place, lie);
        }
    }

    fn invent(&mut self, worker: WorkerId) -> Event {
        let (generation, step) = (self.guess_generation(), self.guess_step());
        match self.random.below(11) {
            0 => Event::GroupBroken {
                worker,
                generation,
                reason: "a lie".to_owned(),
                accusation: match self.random.below(3) {
                    0 => None,
                    1 => Some(Accusation::Unreachable(self.guess_rank())),
                    _ => Some(Accusation::Diverged(self.guess_rank())),
                },
            },
            1 => Event::Damaged {
                worker,
                generation,
                checkpoint: self.guess_checkpoint(),
                reason: UNFIT.to_owned(),
            },
            2 => Event::Unfit {
                worker,
                reason: UNFIT.to_owned(),
            },
            3 | 4 => Event::PartsWritten {
                worker,
                generation,
                step,
                parts: vec![self.guess_rank().get()],
            },
            5 => Event::Applied {
                worker,
                generation,
                step,
                is_recalled: self.random.chance(300),
            },
            6 => Event::Finished {
                worker,
                generation,
                weights_digest: "a lie".to_owned(),
            },
            7 => Event::Drained {
                worker,
                generation,
                step,
            },
            8 => Event::Prepared {
                worker,
                generation,
                held: Some(step),
            },
            9 => {
                let progress = Progress {
                    generation,
                    step,
                    ..Progress::default()
                };
                Event::Beat { worker, progress }
            }
            _ => Event::LeaveRequested { worker },
        }
    }

    /// Mostly the newest one.
    fn guess_generation(&mut self) -> Generation {
        let newest = self.store.generation().get();
        match self.random.below(6) {
            0 => Generation::new(newest.saturating_sub(1)),
            1 => Generation::new(newest + 1),
            2 => Generation::new(u64::MAX),
            _ => Generation::new(newest),
        }
    }

    /// Mostly one that the run comes to next.
    fn guess_step(&mut self) -> Step {
        let newest = self.store.committed_until(Fence::new(u64::MAX)).get();
        match self.random.below(6) {
            0 => Step::new(u64::MAX),
            1 => self.settings.last_step,
            _ => Step::new(newest + self.random.below(2 * self.checkpoint_every)),
        }
    }

    fn guess_rank(&mut self) -> Rank {
        Rank::new(self.random.below(1 + u64::from(self.settings.workers)) as u32)
    }

    fn guess_seat(&mut self) -> (Generation, Rank) {
        (self.guess_generation(), self.guess_rank())
    }

    fn guess_checkpoint(&mut self) -> (Generation, Step) {
        let newest = self.store.find(&std::collections::BTreeSet::new()).good;
        let guessed = newest.filter(|_| self.random.chance(900));
        guessed.map_or_else(
            || (self.guess_generation(), self.guess_step()),
            |CheckpointId { step, generation }| (generation, step),
        )
    }

    /// What is left of a message before `control` hears of it: a seat belongs to who has its secret, and no outsider has.
    ///
    /// What one can do that was given a seat is not looked at here: it says nothing more.
    pub(super) fn check_sender(&self, coordinator: usize, mut event: Event) -> Option<Event> {
        if let Some(worker) = said_by(&mut event)
            && self.outsiders.contains(worker)
            && self.has_seat(coordinator, *worker)
        {
            return None;
        }
        if let Event::Registered { worker, past, .. } = &mut event
            && self.outsiders.contains(worker)
            && self.mutation != Some(Mutation::BelieveClaims)
        {
            *past = Past::default();
        }
        Some(event)
    }

    /// Whether a coordinator has an outsider in its group.
    fn has_seat(&self, coordinator: usize, worker: WorkerId) -> bool {
        let name = self.place_of.get(&worker.get());
        let name = name.map(|place| format!("place-{place}"));
        match (&self.coordinators[coordinator].stage, name) {
            (Stage::Serving(subject), Some(name)) => subject.group().contains(&name),
            _ => false,
        }
    }
}
