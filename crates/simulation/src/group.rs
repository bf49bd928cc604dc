//! A simulated group: the processes of one generation that step together.

use crate::worker::State;
use fratmae_control::Assignment;

/// Where a group is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Members connect and restore.
    Forming,
    /// A step began at one time and ends at another.
    Stepping { began: u64, ends: u64 },
    /// Nobody is in it any more, or soon nobody will be.
    Over,
}

/// The processes of one generation.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) assignment: Assignment,
    /// Place and incarnation of each rank that has come.
    pub(crate) members: Vec<Option<(usize, u64)>>,
    pub(crate) stage: Stage,
    /// Whether its members leave after the step at hand.
    pub(crate) is_leaving: bool,
    /// Whether it stores a checkpoint after the step at hand.
    pub(crate) is_saving: bool,
    pub(crate) state: State,
    /// Steps that it has begun.
    pub(crate) n_steps: u64,
    /// Until when the step at hand may take.
    pub(crate) deadline: u64,
}

impl Group {
    pub(crate) fn forming(assignment: &Assignment) -> Self {
        Self {
            members: vec![None; assignment.seats.len()],
            assignment: assignment.clone(),
            stage: Stage::Forming,
            is_leaving: false,
            is_saving: false,
            state: State::initial(),
            n_steps: 0,
            deadline: u64::MAX,
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.members.iter().all(Option::is_some)
    }
}
