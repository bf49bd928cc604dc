//! A simulated coordinator: what it is at, and what reaches it.

use crate::clock::Clock;
use crate::mutation::Subject;
use crate::retention::Retention;
use crate::store::{Digest, Writer};
use fratmae_control::{
    CheckpointId, Event, Found, JournalAnswer, JournalFact, JournalRequest, JournalState,
    JournalTask, JournalWriter, TakeOver, TakenOver, Tasks, WorkerId,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

/// Parts by their number.
pub(crate) type Named = BTreeMap<u32, Digest>;

/// Something to be done at the store; nothing else is done meanwhile.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// Something at the journal: what to write, if anything, and the request at hand.
    Journal(JournalTask, JournalFact, JournalRequest),
    /// Create a checkpoint's manifest, which names these parts.
    WriteManifest(CheckpointId, Rc<Named>),
    /// Find the newest good checkpoint, as this one is said to be damaged.
    FindNewest(CheckpointId),
}

/// What the store answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Journal(JournalAnswer),
    Done,
    /// The part of this number is not there as it was named, so that no manifest names it.
    Lost(u32),
    /// A coordinator with a newer fence has written there.
    Fenced,
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
    pub(crate) came_to: Option<Answer>,
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

/// How far it has opened the run.
#[derive(Debug)]
pub(crate) enum Stage {
    /// It reads.
    Reading,
    /// It tries to take the fence. What it found first is kept for a mutation.
    TakingOver(TakeOver, Found),
    /// It has taken the fence.
    TakenOver(TakenOver, Found),
    /// Workers can register.
    Serving(Box<Subject>),
}

/// One process that leads, or has led.
#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(crate) nonce: usize,
    pub(crate) journal: JournalWriter,
    pub(crate) clock: Clock,
    pub(crate) is_up: bool,
    pub(crate) is_paused: bool,
    /// Until when nothing reaches it, and until when nothing of it reaches anybody.
    pub(crate) hears_nothing_until: u64,
    pub(crate) is_mute_until: u64,
    pub(crate) stage: Stage,
    pub(crate) tasks: Tasks,
    /// What the journal is to say of the run's end.
    pub(crate) end: Option<JournalFact>,
    pub(crate) inbox: VecDeque<Event>,
    pub(crate) is_check_due: bool,
    pub(crate) is_tick_due: bool,
    pub(crate) is_collection_due: bool,
    /// Checkpoints that it found damaged when it opened the run.
    pub(crate) damaged: BTreeSet<CheckpointId>,
    pub(crate) retention: Retention,
    /// Whether it has decided that the run ends.
    pub(crate) is_ending: bool,
    /// What ranks said of their shares.
    pub(crate) shares: BTreeMap<CheckpointId, Named>,
    /// Who said so of each part.
    pub(crate) named_by: BTreeMap<(CheckpointId, u32), WorkerId>,
    /// Since when it has been paused, if it is.
    pub(crate) paused_since: u64,
    /// Since when it has been back from its last absence.
    pub(crate) back_since: u64,
    pub(crate) operation: Option<Operation>,
    pub(crate) attempt: Try,
    pub(crate) streams: BTreeMap<u64, Link>,
}

impl Coordinator {
    pub(crate) fn new(nonce: usize, clock: Clock) -> Self {
        Self {
            nonce,
            journal: JournalState::default().writer(),
            clock,
            is_up: true,
            is_paused: false,
            hears_nothing_until: 0,
            is_mute_until: 0,
            stage: Stage::Reading,
            tasks: Tasks::default(),
            end: None,
            inbox: VecDeque::new(),
            is_check_due: false,
            is_tick_due: false,
            is_collection_due: false,
            damaged: BTreeSet::new(),
            retention: Retention::default(),
            is_ending: false,
            shares: BTreeMap::new(),
            named_by: BTreeMap::new(),
            paused_since: 0,
            back_since: 0,
            operation: None,
            attempt: Try::default(),
            streams: BTreeMap::new(),
        }
    }

    /// As whom it writes.
    pub(crate) const fn writer(&self) -> Writer {
        Writer {
            fence: self.journal.fence(),
            nonce: self.nonce,
        }
    }

    /// Whether workers can register.
    pub(crate) const fn is_serving(&self) -> bool {
        self.is_up && matches!(self.stage, Stage::Serving(_))
    }

    /// Whether it can take anything on now.
    pub(crate) const fn is_free(&self) -> bool {
        self.is_up && !self.is_paused && self.operation.is_none()
    }
}
