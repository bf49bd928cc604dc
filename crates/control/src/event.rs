//! What can happen to a run, as the coordinator's runtime reports it.
//! Every variant is a fact about the past; what to do about it is decided in `handle`.

use crate::command::{Parting, Source};
use crate::deadlines::Limit;
use crate::ids::{Generation, Millis, Rank, Step, WorkerId};
use crate::progress::{Phase, Progress};

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
    Heard { worker: WorkerId },
    /// A worker's heart beat; counts as heard.
    Beat {
        worker: WorkerId,
        /// Where it is in its work.
        progress: Progress,
    },
    /// A worker will not be heard of again.
    Departed {
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
        worker: WorkerId,
        generation: Generation,
        /// The step that the state in its memory is after; none if it has no state.
        held: Option<Step>,
    },
    /// A step was applied by the whole group, as its first member says.
    Applied {
        worker: WorkerId,
        generation: Generation,
        step: Step,
        /// Whether it is the newest of several that are told again; else it follows the one before.
        is_recalled: bool,
    },
    /// Another case was trained on in the place of a damaged sample; it decides nothing.
    SampleSkipped {
        worker: WorkerId,
        generation: Generation,
        step: Step,
    },
    /// A batch moved no weight, as the group's first member says; it decides nothing.
    BatchSkipped {
        worker: WorkerId,
        generation: Generation,
        step: Step,
    },
    /// A worker's share of a checkpoint is on the store.
    PartsWritten {
        worker: WorkerId,
        generation: Generation,
        step: Step,
        /// The numbers of its parts.
        parts: Vec<u32>,
    },
    /// The manifest asked for by [`crate::Command::CommitCheckpoint`] is durable.
    CheckpointCommitted {
        /// The generation whose parts it names.
        generation: Generation,
        /// The step it holds.
        step: Step,
    },
    /// The manifest asked for by [`crate::Command::CommitCheckpoint`] is not written: what was reported of the parts is
    /// not what is on the store.
    CheckpointLost {
        /// The generation whose parts they are, and the step.
        checkpoint: (Generation, Step),
        /// Whose part is not as it was reported, where that is known, and what is wrong with it, in one line.
        culprit: Option<(WorkerId, String)>,
    },
    /// A worker applied the last step of the job.
    Finished {
        worker: WorkerId,
        generation: Generation,
        /// The digest of its parameters.
        weights_digest: String,
    },
    /// A worker stopped after `step`, as asked by [`crate::Command::Drain`].
    Drained {
        worker: WorkerId,
        generation: Generation,
        /// The last step it applied.
        step: Step,
    },
    /// A collective failed on a worker that is itself alive.
    GroupBroken {
        worker: WorkerId,
        generation: Generation,
        /// What it saw, in one line.
        reason: String,
        /// What it says of another member, or of itself.
        accusation: Option<Accusation>,
    },
    /// A worker is to go: its host is taken away, or somebody sent it a signal. It stays until it is told to stop.
    LeaveRequested { worker: WorkerId },
    /// A worker cannot train, and a new generation would not mend it. Others may: only if they say the same, the job or
    /// its data are the cause.
    Unfit {
        worker: WorkerId,
        /// Why, in one line.
        reason: String,
    },
    /// A worker that was to begin from a checkpoint finds a part of it damaged.
    Damaged {
        worker: WorkerId,
        /// The generation that was to begin from it.
        generation: Generation,
        /// The checkpoint: the generation that wrote it, and its step.
        checkpoint: (Generation, Step),
        /// Which object is damaged and how, in one line.
        reason: String,
    },
    /// The search asked for by [`crate::Command::PassOver`] is over.
    PassedOver {
        /// The checkpoint that was passed over.
        checkpoint: (Generation, Step),
        /// The newest good one apart from it.
        newest: Source,
    },
    /// A worker's host did not answer a [`crate::Command::ProbeHost`].
    ProbeFailed {
        worker: WorkerId,
        /// When it was asked.
        asked: Millis,
    },
    /// The user or the scheduler asks the run to stop at the next step.
    DrainRequested,
    /// Somebody wants a checkpoint of now; answered by [`crate::Command::Saved`].
    SaveRequested,
    /// Time passed.
    Tick,
}

/// What a worker brings when it registers: nothing when it has just started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The last group that it was in, and its rank there; if that broke, the worker says so next.
    pub seat: Option<(Generation, Rank)>,
    /// A step that it has applied, and whose state or a newer one is in its memory.
    pub held: Option<Step>,
}

/// What a live worker says of the member that its group broke at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accusation {
    /// It could not be reached, or did not answer in time.
    Unreachable(Rank),
    /// It holds another state than most; it may be the worker itself.
    Diverged(Rank),
}

/// How a worker's end became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// Its stream closed: the process or its host is gone.
    StreamClosed,
    /// Nothing was heard of it for longer than the limit.
    Silent { limit: Limit },
    /// Nothing was heard of it, and its host does not answer, while others are heard.
    HostGone {
        /// How long nothing was heard.
        silence: Millis,
    },
    /// Its heart beats, but it does not leave its group when asked.
    Stuck {
        /// What it was last heard to do.
        phase: Phase,
        /// How long it had.
        limit: Limit,
    },
    /// Its heart beats, but its training does not get on.
    Hangs {
        phase: Phase,
        /// How long it has not got on.
        lasts: Millis,
        /// How long it may.
        limit: Limit,
    },
    /// It lives, but its peers and it do not reach each other.
    Unreachable {
        /// Who does not reach whom, a line each.
        statements: Vec<String>,
    },
    /// It cannot train, for a reason of its own.
    Unfit { reason: String },
    /// A thread of it panicked: its process ends.
    Panicked {
        /// Which thread, the panic's text and where it was, in one line.
        reason: String,
    },
}

/// The key that bounds how long a worker may work without getting on.
const DEADLINE: &str = "collective.deadline_s";

impl Departure {
    /// The reason as a verdict gives it.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::StreamClosed => "its connection closed: the process or its host died".to_owned(),
            Self::Silent { limit } => {
                format!(
                    "nothing was heard of it for {:.1} s ({})",
                    limit.allowed.seconds(),
                    limit.describe(
                        "gaps between signs of life are",
                        "coordinator.worker_timeout_s"
                    )
                )
            }
            Self::HostGone { silence } => format!(
                "its host is gone: it answers nobody, and nothing was heard of it for {:.1} s",
                silence.seconds()
            ),
            Self::Stuck { phase, limit } => format!(
                "it was asked to leave its group and did not within {:.0} s although the process is alive, in {} ({})",
                limit.allowed.seconds(),
                phase.name(),
                limit.describe("such work took", DEADLINE)
            ),
            Self::Hangs {
                phase,
                lasts,
                limit,
            } => format!(
                "no progress in {} for {:.0} s although the process is alive ({})",
                phase.name(),
                lasts.seconds(),
                limit.describe("such work took", DEADLINE)
            ),
            Self::Unreachable { .. } => {
                "it and its peers do not reach each other, while all reach the coordinator"
                    .to_owned()
            }
            Self::Unfit { reason } | Self::Panicked { reason } => reason.clone(),
        }
    }

    /// What it means for whoever started the worker.
    #[must_use]
    pub(crate) const fn parting(&self) -> Parting {
        match self {
            Self::Unfit { .. } => Parting::Unfit,
            Self::StreamClosed
            | Self::Silent { .. }
            | Self::HostGone { .. }
            | Self::Stuck { .. }
            | Self::Hangs { .. }
            | Self::Unreachable { .. }
            | Self::Panicked { .. } => Parting::Replaced,
        }
    }

    /// What the verdict rests on, where it does not speak for itself.
    #[must_use]
    pub fn evidence(&self) -> Vec<String> {
        if let Self::Unreachable { statements } = self {
            return statements.clone();
        }
        Vec::new()
    }
}
