//! The phases of a training step: the names of their spans, and the seconds spent in each.
//!
//! A span counts as a phase by its name alone; [`span`] opens one.

use serde::{Deserialize, Serialize};
use tracing::{Span, info_span};

/// Waiting for the next stacks of the loader.
pub const LOAD: &str = "load";
/// The model's forward pass.
pub const FORWARD: &str = "forward";
/// The backward pass.
pub const BACKWARD: &str = "backward";
/// Gathering embeddings across ranks.
pub const GATHER: &str = "gather";
/// Reducing gradients across ranks.
pub const REDUCE: &str = "reduce";
/// The update of the parameters.
pub const OPTIMIZER: &str = "optimizer";
/// Writing a checkpoint, as far as the training thread waits for it.
pub const CHECKPOINT: &str = "checkpoint";

/// Every phase, in the order of a step.
pub const ALL: [&str; 7] = [
    LOAD, FORWARD, BACKWARD, GATHER, REDUCE, OPTIMIZER, CHECKPOINT,
];

/// Opens the span of a phase; nothing for a name that is none.
#[must_use]
pub fn span(phase: &str) -> Span {
    match phase {
        LOAD => info_span!(LOAD),
        FORWARD => info_span!(FORWARD),
        BACKWARD => info_span!(BACKWARD),
        GATHER => info_span!(GATHER),
        REDUCE => info_span!(REDUCE),
        OPTIMIZER => info_span!(OPTIMIZER),
        CHECKPOINT => info_span!(CHECKPOINT),
        _ => Span::none(),
    }
}

/// Seconds spent in each phase; in none of them twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phases {
    /// Seconds in [`LOAD`].
    pub load: f64,
    /// Seconds in [`FORWARD`].
    pub forward: f64,
    /// Seconds in [`BACKWARD`].
    pub backward: f64,
    /// Seconds in [`GATHER`].
    pub gather: f64,
    /// Seconds in [`REDUCE`].
    pub reduce: f64,
    /// Seconds in [`OPTIMIZER`].
    pub optimizer: f64,
    /// Seconds in [`CHECKPOINT`].
    pub checkpoint: f64,
}

impl Phases {
    /// Takes seconds in the order of [`ALL`].
    #[must_use]
    pub fn from_seconds(seconds: [f64; ALL.len()]) -> Self {
        let [
            load,
            forward,
            backward,
            gather,
            reduce,
            optimizer,
            checkpoint,
        ] = seconds;
        Self {
            load,
            forward,
            backward,
            gather,
            reduce,
            optimizer,
            checkpoint,
        }
    }

    /// Gives the seconds in the order of [`ALL`].
    #[must_use]
    pub fn seconds(&self) -> [f64; ALL.len()] {
        let Self {
            load,
            forward,
            backward,
            gather,
            reduce,
            optimizer,
            checkpoint,
        } = *self;
        [
            load, forward, backward, gather, reduce, optimizer, checkpoint,
        ]
    }

    /// Sums all phases; wall time beyond this was spent in none.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.seconds().iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_names_and_order_agree() {
        let phases = Phases::from_seconds([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        let json = serde_json::to_value(phases).unwrap();
        for (name, seconds) in ALL.iter().zip(phases.seconds()) {
            assert_eq!(json[name], seconds);
        }
        assert_eq!(json.as_object().unwrap().len(), ALL.len());
        assert_eq!(phases.total(), 28.0);
        assert_eq!(serde_json::from_value::<Phases>(json).unwrap(), phases);
    }
}
