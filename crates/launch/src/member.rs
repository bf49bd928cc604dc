//! A process of a run as the place where it was launched tells of it.

use std::fmt;

use serde::Serialize;

/// One process, or one that is yet to be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Names it there, and for `launch logs`.
    pub name: String,
    /// How it is.
    pub state: MemberState,
    /// Why, in the place's words; empty if it gives none.
    pub reason: String,
    /// Where it runs; empty if it does not.
    pub host: String,
}

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    /// The place has not started it yet, or starts it again.
    Waiting,
    /// It runs.
    Running,
    /// It is about to end.
    Ending,
    /// It ended well.
    Ended,
    /// It ended otherwise.
    Failed,
    /// The place says nothing of it, which does not mean that it ended.
    Unknown,
}

impl MemberState {
    /// Whether it holds resources of the place, or will.
    #[must_use]
    pub const fn is_there(self) -> bool {
        matches!(self, Self::Waiting | Self::Running | Self::Ending)
    }
}

impl fmt::Display for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Ending => "ending",
            Self::Ended => "ended",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        })
    }
}
