//! What can happen to a run, as the coordinator's runtime reports it.
//! Every variant is a fact about the past; what to do about it is decided in `handle`.

use crate::ids::{Generation, Rank, Step, WorkerId};

/// One fact, handed to [`crate::Cluster::handle`] together with the time it was learnt.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A worker opened its stream and can be reached by its peers at `address`.
    Registered {
        /// The identity the runtime gave this stream.
        worker: WorkerId,
        /// Name for people: host and process.
        name: String,
        /// Where peers connect for collectives.
        address: String,
        /// What it brings from before this stream.
        past: Past,
    },
    /// Anything at all was heard of a worker.
    Heard {
        /// Who spoke.
        worker: WorkerId,
    },
    /// A worker will not be heard of again.
    Departed {
        /// Who left.
        worker: WorkerId,
        /// How it is known.
        departure: Departure,
    },
    /// The generation record asked for by [`crate::Command::RecordGeneration`] is durable.
    GenerationRecorded {
        /// The number that is now on the store.
        generation: Generation,
    },
    /// A worker has left its old group and awaits [`crate::Command::Begin`].
    Prepared {
        /// Who is ready.
        worker: WorkerId,
        /// For which generation.
        generation: Generation,
        /// The step that the state in its memory is after; none if it has no state.
        held: Option<Step>,
    },
    /// A step was applied by the whole group.
    Applied {
        /// In which generation.
        generation: Generation,
        /// The newest step.
        step: Step,
    },
    /// A worker's share of a checkpoint is on the store.
    PartsWritten {
        /// Who wrote it.
        worker: WorkerId,
        /// In which generation.
        generation: Generation,
        /// Of which step.
        step: Step,
    },
    /// The manifest asked for by [`crate::Command::CommitCheckpoint`] is durable.
    CheckpointCommitted {
        /// The generation whose parts it names.
        generation: Generation,
        /// The step it holds.
        step: Step,
    },
    /// A worker applied the last step of the job.
    Finished {
        /// Who.
        worker: WorkerId,
        /// In which generation.
        generation: Generation,
        /// The digest of its parameters.
        weights_digest: String,
    },
    /// A worker stopped after `step`, as asked by [`crate::Command::Drain`].
    Drained {
        /// Who.
        worker: WorkerId,
        /// In which generation.
        generation: Generation,
        /// The last step it applied.
        step: Step,
    },
    /// A collective failed on a worker that is itself alive.
    GroupBroken {
        /// Who reports it.
        worker: WorkerId,
        /// In which generation.
        generation: Generation,
        /// What it saw, in one line.
        reason: String,
    },
    /// A worker cannot go on for a reason that a new generation would not mend.
    Failed {
        /// Who.
        worker: WorkerId,
        /// What it saw, in one line.
        reason: String,
    },
    /// A worker is to go: its host is taken away, or somebody sent it a signal. It stays until it is told to stop.
    LeaveRequested {
        /// Who.
        worker: WorkerId,
    },
    /// The user or the scheduler asks the run to stop at the next step.
    DrainRequested,
    /// Time passed.
    Tick,
}

/// What a worker brings when it registers: nothing when it has just started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The last group that it was in, and its rank there; if that broke, the worker says so next.
    pub place: Option<(Generation, Rank)>,
    /// A step that it has applied, and whose state or a newer one is in its memory.
    pub held: Option<Step>,
}

/// How a worker's end became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// Its stream closed: the process or its host is gone.
    StreamClosed,
    /// Nothing was heard of it for longer than the limit.
    Silent,
    /// Its heart beats, but it does not leave its group when asked.
    Stuck,
}

impl Departure {
    /// The reason as a verdict gives it.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::StreamClosed => "its connection closed: the process or its host died",
            Self::Silent => "it was silent for longer than coordinator.worker_timeout_s",
            Self::Stuck => {
                "it did not leave its group within collective.deadline_s: its training hangs"
            }
        }
    }
}
