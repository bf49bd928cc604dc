//! A simulated coordinator: the shell around `control`, one command after another, as the real one.

use crate::clock::Clock;
use crate::mutation::Subject;
use crate::store::{Created, Record, Replayed, Writer};
use fratmae_control::{Command, Event, Generation, Step};
use std::collections::{BTreeMap, VecDeque};

/// Something to be done at the store; nothing else is done meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Look whether another coordinator has taken the next number of the journal.
    EnsureHeld,
    /// Find the newest good checkpoint without a damaged one.
    PassOver(Generation, Step),
    /// Create a checkpoint's manifest.
    Commit(Step, Generation),
    /// Create the next record of the journal.
    Append(Record),
}

/// One try of an operation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Try {
    /// Counts all tries of this coordinator: an answer to an earlier one is not waited for any more.
    pub(crate) number: u64,
    /// When the operation was tried first.
    pub(crate) began: u64,
    /// How long to wait before the next one.
    pub(crate) wait: u64,
    /// What came of it at the store, whether or not that is ever heard.
    pub(crate) came_to: Option<Created>,
}

/// The coordinator's end of a worker's stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// Where the worker is.
    pub(crate) place: usize,
    /// When anything arrived on it last.
    pub(crate) heard: u64,
    /// Whether what is still on its way is lost.
    pub(crate) is_lost: bool,
}

/// One process that leads, or has led.
#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(crate) writer: Writer,
    pub(crate) clock: Clock,
    pub(crate) is_up: bool,
    pub(crate) is_paused: bool,
    /// Until when nothing reaches it, and until when nothing of it reaches anybody.
    pub(crate) is_deaf_until: u64,
    pub(crate) is_mute_until: u64,
    /// What it found when it opened the run.
    pub(crate) found: Replayed,
    pub(crate) newest: Option<(Step, Generation)>,
    pub(crate) take_overs: u32,
    /// None until the run is open.
    pub(crate) subject: Option<Subject>,
    pub(crate) inbox: VecDeque<Event>,
    /// Commands completed; `control` hears of them before anything else.
    pub(crate) completed: VecDeque<Event>,
    pub(crate) todo: VecDeque<Command>,
    /// Verdicts that the journal lacks.
    pub(crate) unwritten: u32,
    pub(crate) is_check_due: bool,
    pub(crate) is_tick_due: bool,
    pub(crate) operations: VecDeque<Operation>,
    pub(crate) attempt: Try,
    /// The number of the next record.
    pub(crate) next: usize,
    /// Streams by number.
    pub(crate) streams: BTreeMap<u64, Link>,
}

impl Coordinator {
    pub(crate) fn new(nonce: usize, clock: Clock) -> Self {
        Self {
            writer: Writer { fence: 0, nonce },
            clock,
            is_up: true,
            is_paused: false,
            is_deaf_until: 0,
            is_mute_until: 0,
            found: Replayed::default(),
            newest: None,
            take_overs: 0,
            subject: None,
            inbox: VecDeque::new(),
            completed: VecDeque::new(),
            todo: VecDeque::new(),
            unwritten: 0,
            is_check_due: false,
            is_tick_due: false,
            operations: VecDeque::new(),
            attempt: Try::default(),
            next: 0,
            streams: BTreeMap::new(),
        }
    }

    /// Whether workers can register.
    pub(crate) const fn is_serving(&self) -> bool {
        self.is_up && self.subject.is_some()
    }

    /// Whether it can take anything on now.
    pub(crate) fn is_free(&self) -> bool {
        self.is_up && !self.is_paused && self.operations.is_empty()
    }
}
