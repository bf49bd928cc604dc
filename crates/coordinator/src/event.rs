//! What a run tells whoever watches it: the progress bar, a test, a page.

use fratmae_protocol::pb::Figures;
use tracing::info;

/// The log target of events. People see them as progress; a log in JSON asks for this target instead.
pub const EVENTS: &str = "run";

/// One thing worth showing.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEvent {
    /// Workers can join at this address.
    Serving {
        /// A URL for `worker --coordinator`.
        address: String,
    },
    /// Something about the job is odd, and the run goes on.
    Warned {
        /// In one line.
        line: String,
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

impl RunEvent {
    /// Writes the event to the log, with its parts as fields.
    pub(crate) fn log(&self) {
        match self {
            Self::Serving { address } => info!(target: EVENTS, address, "serving workers"),
            Self::Warned { line } => info!(target: EVENTS, warning = line, "odd job"),
            Self::Resuming { step, damaged } => {
                info!(target: EVENTS, step, ?damaged, "going on from a checkpoint");
            }
            Self::Began {
                generation,
                members,
                step,
            } => info!(target: EVENTS, generation, step, ?members, "generation began"),
            Self::Applied { step, figures } => info!(
                target: EVENTS,
                step,
                loss = figures.loss,
                reconstruction = figures.reconstruction,
                contrastive = figures.contrastive,
                seconds = figures.seconds,
                "step applied"
            ),
            Self::Committed { step } => info!(target: EVENTS, step, "checkpoint committed"),
            Self::Verdict { line } => info!(target: EVENTS, verdict = line, "worker in trouble"),
        }
    }
}
