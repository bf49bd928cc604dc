//! What the coordinator's runtime is asked to do.
//! Effects that must be durable before anything follows have a completion event, named at the variant.

use crate::assignment::Seat;
use crate::ids::{Generation, Millis, Rank, Step, WorkerId};
use crate::verdict::Verdict;
use std::sync::Arc;

/// One effect, to be carried out in the order given.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Write the generation to the journal; answered by [`crate::Event::GenerationRecorded`].
    RecordGeneration {
        generation: Generation,
        /// Names of its members in rank order.
        members: Vec<String>,
    },
    /// Ask a worker to leave its group; answered by [`crate::Event::Prepared`].
    Prepare {
        worker: WorkerId,
        /// The generation that is coming.
        generation: Generation,
        /// When to leave the group before.
        leaving: Leaving,
    },
    /// Let a worker train in a new group.
    Begin {
        worker: WorkerId,
        /// Its seat and everybody else's.
        assignment: Assignment,
    },
    /// Ask a worker to stop at the next step; answered by [`crate::Event::Drained`].
    Drain { worker: WorkerId },
    /// Ask a worker to have its group store a checkpoint after the step at hand; its members then report their parts.
    Save { worker: WorkerId },
    /// Tell those who asked for a checkpoint that one at least as new as their request is durable.
    Saved {
        /// The step it holds.
        step: Step,
    },
    /// Write the manifest over the parts reported; answered by [`crate::Event::CheckpointCommitted`], or
    /// by [`crate::Event::CheckpointLost`].
    CommitCheckpoint {
        /// The generation whose parts it names.
        generation: Generation,
        /// The step it holds.
        step: Step,
    },
    /// Find the newest good checkpoint without one that is damaged; answered by [`crate::Event::PassedOver`].
    PassOver {
        /// The damaged one: the generation that wrote it, and its step.
        checkpoint: (Generation, Step),
        /// Who found it, and what is wrong with it, in one line.
        reason: String,
    },
    /// Ask the host of a silent worker for a sign of life, by a connection to the address for its peers;
    /// [`crate::Event::ProbeFailed`] if none comes.
    ProbeHost(HostProbe),
    /// Tell a worker to exit.
    Stop {
        worker: WorkerId,
        /// Why, in one line.
        reason: String,
        /// What its end means for whoever started it.
        parting: Parting,
    },
    /// Say what went wrong with one worker although the run goes on.
    Report {
        /// The verdict, for log, journal and status.
        verdict: Box<Verdict>,
    },
    /// Say that a worker without a seat is gone, which is nothing to the run.
    Gone { name: String, reason: String },
    /// Pass on what a live member says of its group's failure: it blames nobody, least of all the member itself.
    Statement { worker: String, reason: String },
    /// Say that a worker left as it was asked to; nothing went wrong.
    Left { name: String },
    /// End the run; no command follows.
    End { outcome: RunOutcome },
}

/// A question to a host whether it still answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostProbe {
    pub worker: WorkerId,
    /// Where it takes connections.
    pub address: String,
    /// When it was asked; [`crate::Event::ProbeFailed`] repeats it.
    pub asked: Millis,
}

/// When the members of a group leave it for the next generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// The group is broken: the step at hand is broken off.
    AtOnce,
    /// The group is whole: it applies the step at hand and leaves together.
    AfterTheStep,
}

/// A worker's seat in a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The generation it holds for.
    pub generation: Generation,
    pub rank: Rank,
    /// Everybody's seat in rank order.
    pub seats: Arc<[Seat]>,
    /// Where the state comes from.
    pub source: Source,
    /// The newest committed checkpoint's step: one that is due at a later step is still to be written.
    pub committed: Step,
}

/// Where a generation's state comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody has trained yet: initialise from the seed.
    Initial,
    /// The newest good checkpoint.
    Checkpoint {
        step: Step,
        /// The generation that wrote it.
        generation: Generation,
    },
    /// The memory of the members whose seats say so; the others copy it from them.
    Peers {
        /// The step it is after.
        step: Step,
    },
}

impl Source {
    /// The step that training goes on from.
    #[must_use]
    pub const fn step(self) -> Step {
        match self {
            Self::Initial => Step::new(0),
            Self::Checkpoint { step, .. } | Self::Peers { step } => step,
        }
    }
}

/// Why a run stops before its last step although nothing is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was asked to.
    Asked,
    /// Each worker that was left was asked to leave.
    Deserted,
}

impl Cause {
    /// Whether the journal gives such a reason, and not a failure.
    #[must_use]
    pub fn is_one(reason: &str) -> bool {
        let mut all = [Self::Asked, Self::Deserted].into_iter();
        all.any(|cause| cause.reason() == reason)
    }

    /// The reason as the journal and the last line give it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Asked => "asked to stop",
            Self::Deserted => "its last worker was asked to leave",
        }
    }
}

/// What ended a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// Every step was applied and the last checkpoint is committed.
    Finished {
        step: Step,
        /// The digest all workers agree on.
        weights_digest: String,
    },
    /// The run was asked to stop; it goes on from `step` when started again.
    Interrupted {
        /// The newest committed step.
        step: Step,
        cause: Cause,
    },
    /// The run cannot go on.
    Failed {
        /// Who and why, in one line.
        reason: String,
    },
}

/// What the end of a worker that is told to exit means for whoever started it: whether another process takes its place, and
/// where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// Every step is applied: nobody is needed any more.
    Finished,
    /// It left as it was asked to; the run goes on.
    Left,
    /// The run was stopped as it was asked to, and goes on when it is run again.
    Stopped,
    /// It was let go; the run goes on, and another process may take its place.
    Replaced,
    /// It cannot train where it is; another machine may.
    Unfit,
    /// The run failed: nobody in its place would get further.
    Failed,
    /// It is not of this run: of another version, job or data.
    Refused,
}

impl Parting {
    /// The exit code that says so; 75, 76 and 78 are `EX_TEMPFAIL`, `EX_PROTOCOL` and `EX_CONFIG` of sysexits.h.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Finished => 0,
            Self::Failed => 1,
            Self::Left | Self::Stopped | Self::Replaced => 75,
            Self::Unfit => 76,
            Self::Refused => 78,
        }
    }

    /// Whether the worker counts it as a failure.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Replaced | Self::Unfit | Self::Failed | Self::Refused
        )
    }
}
