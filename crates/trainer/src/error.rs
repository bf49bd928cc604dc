//! What ends a step, or a copy of a state.

use collective::CollectiveError;
use model::ModelError;

use crate::task::TaskError;

/// A step, or a copy of a state, that failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A loss or gradient is infinite or not a number; the same on every rank.
    #[error(
        "{what} is not finite at step {step} ({blame}); lower train.lr, look at these cases, or skip such batches with train.bad_batch = \"skip\""
    )]
    NotFinite {
        what: &'static str,
        /// The step that was not applied.
        step: u64,
        /// The slots to blame, with their cases.
        blame: String,
    },
    /// So many batches in a row were bad that it is not the batches.
    #[error(
        "{what} is not finite at step {step} ({blame}), as in the {batches} steps up to it: the weights have diverged; lower train.lr and go on from an earlier checkpoint"
    )]
    Diverging {
        what: &'static str,
        /// The last of these steps.
        step: u64,
        /// How many there were.
        batches: u32,
        /// The slots to blame in the last one, with their cases.
        blame: String,
    },
    /// This rank's parameters changed although nobody wrote to them; found before anything of the step was used.
    #[error(
        "its parameters changed in memory after step {step}: that memory is faulty; it takes the state of its peers"
    )]
    Corrupted {
        rank: usize,
        /// The last step applied.
        step: u64,
    },
    /// A rank's state is not that of the majority; found before anything of the next step was used.
    #[error(
        "its {what} after step {step} are not those of the {n_alike} ranks that agree: it computes wrongly or its memory is faulty; it takes their state"
    )]
    Unlike {
        /// What differs, in plural.
        what: &'static str,
        /// The first such rank.
        rank: usize,
        /// Whether this rank is among them.
        is_own: bool,
        /// How many are alike.
        n_alike: usize,
        /// The last step applied.
        step: u64,
    },
    /// Ranks differ, and nobody can say who is right.
    #[error(
        "the ranks' {what} after step {step} differ, and no majority agrees: all go back to the newest checkpoint"
    )]
    NoMajority {
        /// What differs, in plural.
        what: &'static str,
        /// The last step applied.
        step: u64,
    },
    /// A peer's message cannot be read.
    #[error(
        "rank {rank} sent a message that cannot be read ({reason}); do all workers run the same version?"
    )]
    Exchange {
        rank: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The state that a rank copied is not what the holders have; it is copied again.
    #[error("rank {rank} copied another state of step {step} than rank {holder} holds")]
    CopyDiffers {
        rank: usize,
        holder: usize,
        /// The step it is after.
        step: u64,
    },
    /// The group failed; a new one may mend it.
    #[error(transparent)]
    Group(#[from] CollectiveError),
    /// The device does not give back what is on it.
    #[error(transparent)]
    Device(#[from] ModelError),
    /// The task's own failure.
    #[error(transparent)]
    Task(#[from] TaskError),
}

impl TrainError {
    /// Whether the state of this rank is of no use any more.
    pub const fn invalidates_state(&self) -> bool {
        matches!(
            self,
            Self::Corrupted { .. } | Self::Unlike { is_own: true, .. } | Self::NoMajority { .. }
        )
    }
}
