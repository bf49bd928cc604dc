//! A simulated worker: what it holds, which group it is in, what it has said.

use crate::random::mix;
use crate::world::Happening;
use fratmae_control::{
    Accusation, Assignment, Event, Generation, Leaving, Past, Rank, Step, WorkerId,
};
use std::collections::VecDeque;
use std::ops::Range;

/// What a worker says whose store fails for good.
pub(crate) const UNFIT: &str = "its store fails";
/// What is said of a worker whose part is not on the store.
pub(crate) const LOST: &str = "its part is not on the store";

/// A state of training: equal digests mean that the same slots were applied in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) step: Step,
    pub(crate) digest: u64,
}

impl State {
    pub(crate) const fn initial() -> Self {
        Self {
            step: Step::new(0),
            digest: 1,
        }
    }

    /// The state after the step in which these slots were summed.
    pub(crate) fn next(self, slots: impl IntoIterator<Item = u32>) -> Self {
        let step = self.step.next();
        let applied = slots
            .into_iter()
            .fold(step.get(), |sum, slot| mix(sum ^ mix(u64::from(slot) + 1)));
        Self {
            step,
            digest: mix(self.digest ^ applied),
        }
    }
}

/// An order that waits until the worker is free.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    Prepare(Generation),
    Begin(Box<Assignment>),
}

/// What a worker is told.
#[derive(Clone, Debug)]
pub(crate) enum CoordinatorMessage {
    Prepare(Generation, Leaving),
    Begin(Box<Assignment>),
    Save,
    Stop,
}

/// What a worker says, and says again to a new coordinator while its group lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fact {
    Applied(Step),
    Parts(Step, Rank),
    Finished(u64),
    /// The group broke, perhaps because a member did not answer.
    Broken(Option<Rank>),
    /// The group broke, as a member holds something else than the others, or than it held itself.
    Differs(Rank),
    /// Its own store fails for good.
    Unfit,
    /// The checkpoint that it was to begin from is damaged.
    Damaged(Generation, Step),
}

impl Fact {
    pub(crate) fn event(self, worker: WorkerId, generation: Generation) -> Event {
        match self {
            Self::Applied(step) => Event::Applied {
                worker,
                generation,
                step,
                is_recalled: false,
            },
            Self::Parts(step, rank) => Event::PartsWritten {
                worker,
                generation,
                step,
                parts: vec![rank.get()],
            },
            Self::Finished(digest) => Event::Finished {
                worker,
                generation,
                weights_digest: format!("{digest:x}"),
            },
            Self::Broken(accused) => Event::GroupBroken {
                worker,
                generation,
                reason: "broken".to_owned(),
                accusation: accused.map(Accusation::Unreachable),
            },
            Self::Differs(rank) => Event::GroupBroken {
                worker,
                generation,
                reason: "differs".to_owned(),
                accusation: Some(Accusation::Diverged(rank)),
            },
            Self::Unfit => Event::Unfit {
                worker,
                reason: UNFIT.to_owned(),
            },
            Self::Damaged(writer, step) => Event::Damaged {
                worker,
                generation,
                checkpoint: (writer, step),
                reason: UNFIT.to_owned(),
            },
        }
    }
}

/// Whether a process's memory keeps what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    Sound,
    /// A bit was flipped, and nobody has noticed yet.
    Flipped,
    /// A bit is stuck, for as long as the process lives.
    Stuck,
}

/// A worker's end of its stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stream {
    /// How long a message is on its way at most, if nothing is wrong.
    pub(crate) longest: u64,
    /// Messages arrive no earlier, in either direction, since a stream keeps its order.
    pub(crate) inbound_from: u64,
    pub(crate) outbound_from: u64,
}

/// One place where a worker runs; a process there may die and be started again.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Counts the processes that have run here.
    pub(crate) incarnation: u64,
    pub(crate) is_up: bool,
    pub(crate) is_paused: bool,
    /// Since when its training gets on no more, although its heart beats.
    pub(crate) hangs_since: Option<u64>,
    /// Whether its own store fails for good; it still hears and speaks.
    pub(crate) is_unfit: bool,
    pub(crate) memory: Memory,
    /// Whether the next part that it writes is not stored, and whether one was not.
    pub(crate) loses_part: bool,
    pub(crate) has_lost_part: bool,
    /// Whether it left its coordinator as that gave no sign of life.
    pub(crate) has_left_absent: bool,
    /// Shares of checkpoints that it is writing.
    pub(crate) n_writing: usize,
    /// Steps that it has applied since its heart beat last.
    pub(crate) n_applied: u32,
    /// Whether it was asked to leave.
    pub(crate) is_leaving: bool,
    /// Whether a checkpoint is wanted that it has told no group of.
    pub(crate) is_saving: bool,
    /// What it has not seen yet because it is paused.
    pub(crate) backlog: Vec<Happening>,
    /// Its stream, and the coordinator at the other end.
    pub(crate) stream: Option<(u64, usize)>,
    pub(crate) ends: Stream,
    /// Until when nothing reaches its host, and until when nothing that it sends reaches anybody.
    pub(crate) hears_nothing_until: u64,
    pub(crate) is_mute_until: u64,
    /// Until when it was last paused or cut off, or on no stream.
    pub(crate) is_disturbed_until: u64,
    pub(crate) orders: VecDeque<Order>,
    /// The group it is in, by number.
    pub(crate) group: Option<usize>,
    pub(crate) announced: Generation,
    pub(crate) held: Option<State>,
    pub(crate) place: Option<(Generation, Rank)>,
    pub(crate) facts: Vec<Fact>,
}

impl Worker {
    pub(crate) const fn new() -> Self {
        Self {
            incarnation: 0,
            is_up: false,
            is_paused: false,
            hangs_since: None,
            is_unfit: false,
            memory: Memory::Sound,
            loses_part: false,
            has_lost_part: false,
            has_left_absent: false,
            n_writing: 0,
            n_applied: 0,
            is_leaving: false,
            is_saving: false,
            backlog: Vec::new(),
            stream: None,
            ends: Stream {
                longest: 0,
                inbound_from: 0,
                outbound_from: 0,
            },
            hears_nothing_until: 0,
            is_mute_until: 0,
            is_disturbed_until: 0,
            orders: VecDeque::new(),
            group: None,
            announced: Generation::new(0),
            held: None,
            place: None,
            facts: Vec::new(),
        }
    }

    /// Ends the process: what it held is gone.
    pub(crate) fn die(&mut self) {
        *self = Self {
            incarnation: self.incarnation + 1,
            hears_nothing_until: self.hears_nothing_until,
            is_mute_until: self.is_mute_until,
            is_disturbed_until: self.is_disturbed_until,
            ..Self::new()
        };
    }

    /// Whether its training gets on.
    pub(crate) const fn gets_on(&self) -> bool {
        !self.is_paused && self.hangs_since.is_none()
    }

    /// Whether it gets on, and its store and its memory are sound.
    pub(crate) fn can_train(&self) -> bool {
        self.gets_on() && !self.is_unfit && self.memory == Memory::Sound
    }

    pub(crate) fn past(&self) -> Past {
        Past {
            seat: self.place,
            held: self.held.map(|state| state.step),
        }
    }
}

/// The slots of an assignment, in rank order.
pub(crate) fn slots(assignment: &Assignment) -> impl Iterator<Item = u32> + '_ {
    let numbers = |slots: &Range<fratmae_control::Slot>| slots.start.get()..slots.end.get();
    assignment
        .seats
        .iter()
        .flat_map(move |seat| numbers(&seat.slots))
}
