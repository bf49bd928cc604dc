//! What a worker does inside a generation, as its heartbeats say. How long it may take is in `deadlines.rs`.

use crate::ids::{Generation, Millis, Step};

/// On whom it depends how long something takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitsFor {
    Nobody,
    Store,
    Others,
}

/// Declares the phases: what each is, its name, and whom it waits for.
macro_rules! phases {
    ($($(#[$about:meta])+ $phase:ident = $name:literal, $waits_for:ident;)+) => {
        /// What a worker does at a moment, from the first one of a step on in the order of a step.
        ///
        /// Heartbeats, the time of a step's phases and the columns of the history have these names.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Phase {
            $($(#[$about])+ $phase,)+
        }

        impl Phase {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$phase),+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$phase => $name),+ }
            }

            pub(crate) const fn waits_for(self) -> WaitsFor {
                match self { $(Self::$phase => WaitsFor::$waits_for),+ }
            }
        }
    };
}

phases! {
    /// It awaits an order.
    #[default]
    Idle = "idle", Others;
    /// It reads a checkpoint.
    Restore = "restore", Store;
    /// It forms a group with its peers.
    Join = "join", Others;
    /// It copies the state from its peers, or to them.
    Copy = "copy", Others;
    /// It awaits the samples of a step, the first phase of one.
    Load = "load", Store;
    /// The forward pass.
    Forward = "forward", Nobody;
    /// It exchanges the slots' messages with its peers.
    Gather = "gather", Others;
    /// The backward pass.
    Backward = "backward", Nobody;
    /// It sums gradients with its peers.
    Reduce = "reduce", Others;
    /// The update of the parameters.
    Optimizer = "optimizer", Nobody;
    /// It awaits an earlier checkpoint and copies the state for the next.
    Checkpoint = "checkpoint", Store;
}

impl Phase {
    /// Those of a step.
    pub fn of_a_step() -> impl Iterator<Item = Self> {
        Self::ALL
            .iter()
            .copied()
            .filter(|phase| phase.is_of_a_step())
    }

    /// The phase of this name; an unknown one is judged as little as idleness.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let mut all = Self::ALL.iter().copied();
        all.find(|phase| phase.name() == name).unwrap_or_default()
    }

    /// Whether it belongs to a step, and not to what comes before the first one.
    pub(crate) fn is_of_a_step(self) -> bool {
        self >= Self::Load
    }
}

/// A collective call: its name and its number in the generation, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub operation: String,
    pub sequence: u64,
}

/// Pieces of work that were done since the heartbeat before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lap {
    pub phase: Phase,
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
    pub phase: Phase,
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
        for phase in Phase::ALL {
            assert_eq!(Phase::named(phase.name()), *phase);
        }
        assert_eq!(Phase::named("newer"), Phase::Idle);
    }
}
