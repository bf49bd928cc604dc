//! What a run tells whoever watches it: the progress bar, a test, a page.

use fratmae_protocol::pb::Figures;

/// One thing worth showing.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEvent {
    /// Workers can join at this address.
    Serving {
        /// A URL for `worker --coordinator`.
        address: String,
    },
    /// The run exists and goes on from a checkpoint.
    Resuming {
        /// Its step.
        step: u64,
        /// Checkpoints that were passed over, and why, a line each.
        damaged: Vec<String>,
    },
    /// A group trains.
    Began {
        /// Its generation.
        generation: u64,
        /// Names in rank order.
        members: Vec<String>,
        /// The step it goes on from.
        step: u64,
    },
    /// A step was applied.
    Applied {
        /// Which.
        step: u64,
        /// Its figures.
        figures: Figures,
    },
    /// A checkpoint is committed.
    Committed {
        /// Its step.
        step: u64,
    },
    /// Something went wrong with a worker, and the run goes on.
    Verdict {
        /// In one line.
        line: String,
    },
}
