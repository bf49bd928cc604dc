//! What a worker does inside a generation, as its heartbeats say. How long it may take is `deadlines.rs`'s.

use crate::ids::{Generation, Millis, Step};

/// A worker's business at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// It awaits an order.
    #[default]
    Idle,
    /// It reads a checkpoint.
    Restore,
    /// It forms a group with its peers.
    Join,
    /// It copies the state from its peers, or to them.
    Copy,
    /// It awaits the samples of a step.
    Load,
    /// The forward pass.
    Forward,
    /// It exchanges embeddings with its peers.
    Gather,
    /// The backward pass.
    Backward,
    /// It sums gradients with its peers.
    Reduce,
    /// The update of the parameters.
    Optimizer,
    /// It awaits an earlier checkpoint and copies the state for the next.
    Checkpoint,
}

/// On whom it depends how long something takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    Nobody,
    Store,
    Others,
}

impl Work {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Idle,
        Self::Restore,
        Self::Join,
        Self::Copy,
        Self::Load,
        Self::Forward,
        Self::Gather,
        Self::Backward,
        Self::Reduce,
        Self::Optimizer,
        Self::Checkpoint,
    ];

    /// Its name, as in the figures of a step.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Restore => "restore",
            Self::Join => "join",
            Self::Copy => "copy",
            Self::Load => "load",
            Self::Forward => "forward",
            Self::Gather => "gather",
            Self::Backward => "backward",
            Self::Reduce => "reduce",
            Self::Optimizer => "optimizer",
            Self::Checkpoint => "checkpoint",
        }
    }

    /// The kind of this name; an unknown one is judged as little as idleness.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|work| work.name() == name).unwrap_or_default()
    }

    /// Whether it belongs to a step, and not to what comes before the first one.
    pub(crate) const fn is_of_a_step(self) -> bool {
        match self {
            Self::Idle | Self::Restore | Self::Join | Self::Copy => false,
            Self::Load
            | Self::Forward
            | Self::Gather
            | Self::Backward
            | Self::Reduce
            | Self::Optimizer
            | Self::Checkpoint => true,
        }
    }

    pub(crate) const fn awaits(self) -> Awaits {
        match self {
            Self::Forward | Self::Backward | Self::Optimizer => Awaits::Nobody,
            Self::Restore | Self::Load | Self::Checkpoint => Awaits::Store,
            Self::Idle | Self::Join | Self::Copy | Self::Gather | Self::Reduce => Awaits::Others,
        }
    }
}

/// A collective call: its name and its number in the generation, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What it does.
    pub operation: String,
    /// Its number.
    pub sequence: u64,
}

/// Pieces of work that were done since the heartbeat before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lap {
    /// Of which kind.
    pub work: Work,
    /// How many.
    pub count: u32,
    /// How long the longest of them took.
    pub longest: Millis,
}

/// How fast a worker computes: measured, and before it has computed anything a bound from the size of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The longest that a pass of one slot, forward or backward, takes.
    pub pass: Millis,
    /// How long its part of a step takes.
    pub step: Millis,
}

/// Where a worker is in its work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The generation that it works for.
    pub generation: Generation,
    /// The step it works on.
    pub step: Step,
    /// What it does.
    pub work: Work,
    /// How long it has been doing that.
    pub lasts: Millis,
    /// How long it has not got on within that: a pass gets on slot by slot, a checkpoint part by part.
    pub still: Millis,
    /// How fast it is; none of one that has not said so yet.
    pub pace: Option<Pace>,
    /// The collective call that it began last, if it began any.
    pub call: Option<Call>,
    /// What it has done since it last spoke of it.
    pub laps: Vec<Lap>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for work in Work::ALL {
            assert_eq!(Work::named(work.name()), work);
        }
        assert_eq!(Work::named("newer"), Work::Idle);
    }
}
