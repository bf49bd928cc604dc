//! Why a run cannot be audited or replayed at all. What is wrong with its records is a finding and no error.

use fratmae_checkpoint::CheckpointError;
use fratmae_collective::CollectiveError;
use fratmae_coordinator::CoordinatorError;
use fratmae_dataset::DataSetError;
use fratmae_model::ModelError;
use fratmae_store::StoreError;
use fratmae_trainer::{TaskError, TrainError};

/// What an audit or a replay ends with.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The data set is not the one that the run began with.
    #[error("{0}")]
    Data(String),
    /// The steps asked for are not the run's.
    #[error("{run} has steps {first} to {last}, not {asked}")]
    NoSuchStep {
        run: String,
        first: u64,
        last: u64,
        asked: u64,
    },
    /// Nothing is left to begin from.
    #[error(
        "step {step} of {run} cannot be computed again: no checkpoint before it is left, and the run did not begin with weights of its own"
    )]
    NoStart { run: String, step: u64 },
    /// More ranks than slots.
    #[error("a step of this job has {slots} slots, so at most {slots} workers can replay it")]
    TooManyRanks { slots: usize },
    /// The samples ended before the steps did.
    #[error("the order of samples ends at step {step}")]
    NoSamples { step: u64 },
    /// The system gives no thread or socket.
    #[error("cannot start the ranks of a replay: {0}")]
    Ranks(std::io::Error),
    /// The run's records cannot be read.
    #[error(transparent)]
    Run(#[from] CoordinatorError),
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The data set cannot be read.
    #[error(transparent)]
    DataSet(#[from] DataSetError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A step failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The task cannot be opened here.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The ranks do not reach each other.
    #[error(transparent)]
    Group(#[from] CollectiveError),
    /// The device fails.
    #[error(transparent)]
    Device(#[from] ModelError),
}
