//! What pretraining refuses: files of weights, and a device.

use fratmae_model::WeightsError;

/// A job that cannot be pretrained as it stands.
#[derive(Debug, thiserror::Error)]
pub enum PretrainError {
    /// A file of weights that the job names cannot be read.
    #[error("cannot read {key} = {path}: {reason}; every worker reads this file when a run starts")]
    WeightsUnread {
        /// The key that names it.
        key: &'static str,
        path: String,
        /// What the system says.
        reason: String,
    },
    /// First weights must be made of a file that the job does not name.
    #[error("the first weights come from a file with digest {digest}; name that file with {key}")]
    WeightsUnnamed {
        /// The key that should name it.
        key: &'static str,
        /// Its BLAKE3.
        digest: String,
    },
    /// A file of weights is not the one that the run began with.
    #[error(
        "{key} = {path} is not the job's file: its digest is {found}, expected {expected}; restore the file or correct the path"
    )]
    OtherWeights {
        /// The key that names it.
        key: &'static str,
        path: String,
        /// Its BLAKE3.
        found: String,
        expected: String,
    },
    /// A file of weights is damaged, or not this model's.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// bf16 is asked of a worker without a GPU.
    #[error(
        "train.precision = \"bf16\" needs a GPU, and this worker trains on the CPU; use \"f32\", or a machine with a GPU"
    )]
    NoHalfPrecision,
}
