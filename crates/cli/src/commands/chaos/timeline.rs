//! Something that happened in a disturbed run, with its time: what the scorecard is worked out from.

use std::time::Duration;

use super::fault::{Party, worker_name};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimelineEvent {
    /// Since the first step.
    pub(crate) at: Duration,
    /// What it was.
    pub(crate) what: What,
}

impl What {
    /// What the run did by itself, as a line of the log; faults are told by whoever does them.
    pub(crate) fn line(&self) -> Option<String> {
        Some(match self {
            Self::Serving => "a coordinator serves".to_owned(),
            Self::Began { step, members } => {
                format!("a group of {members} continues from step {step}")
            }
            Self::Verdict { line } => format!("verdict: {line}"),
            Self::Ended {
                party: Party::Worker(place),
                reason,
            } => format!("{}: {reason}", worker_name(*place)),
            Self::Ended {
                party: Party::Coordinator,
                reason,
            } => format!("coordinator: {reason}"),
            Self::OldEnded { reason } => format!("the replaced coordinator: {reason}"),
            Self::OldStayed => "the replaced coordinator did not end".to_owned(),
            Self::Panic { line } => format!("panic: {line}"),
            Self::Struck(_) | Self::Missed(..) | Self::Lifted(_) | Self::Applied { .. } => {
                return None;
            }
        })
    }
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The fault of this number in the plan was done.
    Struck(usize),
    /// It could not be done, for this reason.
    Missed(usize, String),
    /// It was lifted.
    Lifted(usize),
    /// A coordinator lets workers join.
    Serving,
    /// A group went on from this step.
    Began {
        /// The step that its members hold.
        step: u64,
        /// How many they are.
        members: usize,
    },
    /// A coordinator heard that a step was applied.
    Applied {
        /// Which.
        step: u64,
    },
    /// A coordinator found something wrong with a worker.
    Verdict {
        /// In its words.
        line: String,
    },
    /// A process ended that should run.
    Ended {
        /// Which.
        party: Party,
        /// Its last word.
        reason: String,
    },
    /// A coordinator that was replaced has ended.
    OldEnded {
        /// Its last word.
        reason: String,
    },
    /// A coordinator did not end although another one had taken its place.
    OldStayed,
    /// A process panicked.
    Panic {
        /// Where.
        line: String,
    },
}
