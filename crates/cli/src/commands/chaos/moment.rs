//! Something that happened in a disturbed run, with its time: what the scorecard is worked out from.

use std::time::Duration;

use super::fault::Party;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Since the first step.
    pub(crate) at: Duration,
    /// What it was.
    pub(crate) what: What,
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
    /// A coordinator ended that another one had taken the place of.
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
