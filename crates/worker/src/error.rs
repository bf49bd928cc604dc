//! What can end a worker, or only its group.

use fratmae_checkpoint::{CheckpointError, CheckpointId};
use fratmae_collective::{Action, CollectiveError};
use fratmae_dataset::DataSetError;
use fratmae_model::{ModelError, WeightsError};
use fratmae_protocol::ProtocolError;
use fratmae_protocol::pb::group_broken::Accused;
use fratmae_store::StoreError;

/// A worker's failure, in words for the one who reads the coordinator's verdict.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The coordinator cannot be reached.
    #[error(
        "no coordinator answers at {address} ({reason}){}; is it running, and can this host reach it?", waited(*patience)
    )]
    Unreachable {
        /// The address tried.
        address: String,
        /// What the connection said.
        reason: String,
        /// How long it was waited for, if it was.
        patience: Option<std::time::Duration>,
    },
    /// An address that this worker would tell its peers cannot be used.
    #[error(transparent)]
    Address(#[from] fratmae_network::AddressError),
    /// The stream ended although the coordinator had not said stop, and no other coordinator came.
    #[error(
        "the coordinator at {address} is gone and none has taken its place within {} s (workers.coordinator_patience_s); start it again with the same run to go on from its newest checkpoint", patience.as_secs()
    )]
    CoordinatorLost {
        /// Where it was.
        address: String,
        /// How long another one was looked for.
        patience: std::time::Duration,
    },
    /// The coordinator ended the run, or this worker.
    #[error("the coordinator says: {reason}")]
    Stopped {
        /// Its reason.
        reason: String,
    },
    /// No socket for the group could be opened.
    #[error("cannot listen for peers on {address}; give another --listen")]
    Listen {
        /// The address tried.
        address: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The job that came with the welcome cannot be read.
    #[error("the coordinator's job cannot be read ({reason}); are both of the same version?")]
    Job {
        /// What is wrong with it.
        reason: String,
    },
    /// A file of weights that the job names cannot be read.
    #[error("cannot read {key} = {path}: {reason}; every worker reads this file when a run starts")]
    WeightsUnread {
        /// The key that names it.
        key: &'static str,
        /// Its path.
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
        /// Its path.
        path: String,
        /// Its BLAKE3.
        found: String,
        /// The job's.
        expected: String,
    },
    /// A file of weights is damaged, or not this model's.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A GPU is demanded, and there is none.
    #[error(
        "workers.device = \"cuda\" cannot be had: {reason}; {help}, or take \"auto\" or \"cpu\""
    )]
    NoGpu {
        /// What is missing.
        reason: String,
        /// What to do.
        help: &'static str,
    },
    /// bf16 is asked of a worker without a GPU.
    #[error(
        "train.precision = \"bf16\" needs a GPU, and this worker trains on the CPU; use \"f32\", or a machine with a GPU"
    )]
    NoHalfPrecision,
    /// The data set is not the one the run began with.
    #[error(
        "data set {url} has digest {found} here and {expected} at the coordinator; all must read the same data"
    )]
    OtherData {
        /// The data set.
        url: String,
        /// Its digest here.
        found: String,
        /// Its digest at the coordinator.
        expected: String,
    },
    /// A loss or gradient is infinite or not a number; the same on every rank.
    #[error(
        "{what} is not finite at step {step} ({blame}); lower train.lr, look at these cases, or pass over such batches with train.bad_batch = \"skip\""
    )]
    NotFinite {
        /// Loss or gradient.
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
        /// Loss or gradient.
        what: &'static str,
        /// The last of these steps.
        step: u64,
        /// How many there were.
        batches: u32,
        /// The slots to blame in the last one, with their cases.
        blame: String,
    },
    /// This worker's parameters changed although nobody wrote to them; found before anything of the step was used.
    #[error(
        "its parameters changed in memory after step {step}: that memory is faulty; it takes the state of its peers"
    )]
    Corrupted {
        /// This worker's rank.
        rank: usize,
        /// The last step applied.
        step: u64,
    },
    /// A rank's parameters are not those of the majority; found before anything of the next step was used.
    #[error(
        "its parameters after step {step} are not those of the {n_alike} ranks that agree: it computes wrongly or its memory is faulty; it takes their state"
    )]
    Unlike {
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
        "the ranks' parameters after step {step} differ, and no majority agrees: all go back to the newest checkpoint"
    )]
    NoMajority {
        /// The last step applied.
        step: u64,
    },
    /// The checkpoint that a generation was to begin from is not what was written.
    #[error("cannot begin from the checkpoint of step {}", .id.step)]
    Unrestorable {
        /// Which.
        id: CheckpointId,
        /// Which object, and what is wrong with it.
        #[source]
        source: CheckpointError,
    },
    /// A thread of this process is not there.
    #[error("{reason}; start this worker again")]
    Thread {
        /// Which, and what became of it.
        reason: String,
    },
    /// A thread of this process panicked.
    #[error("{reason}; this worker ends, as it would wait for that thread for ever")]
    Panicked {
        /// Which, the panic's text and where it was.
        reason: String,
    },
    /// A peer sent figures of another shape.
    #[error(
        "rank {rank} sent {found} bytes where {expected} belong; do all workers run the same version?"
    )]
    Exchange {
        /// The sender.
        rank: usize,
        /// Bytes that came.
        found: usize,
        /// Bytes that should have come.
        expected: usize,
    },
    /// A generation begins from a state that this worker does not have.
    #[error(
        "the generation begins at step {step}, whose state is not here; are all workers of the same version?"
    )]
    NoState {
        /// The step it begins at.
        step: u64,
    },
    /// The state that a rank copied is not what the holders have; it is copied again.
    #[error("rank {rank} copied another state of step {step} than rank {holder} holds")]
    CopyDiffers {
        /// Who copied it.
        rank: usize,
        /// Who holds it.
        holder: usize,
        /// The step it is after.
        step: u64,
    },
    /// Two ranks that applied the same steps hold different states.
    #[error(
        "ranks {rank} and {holder} hold different states of step {step}: one of them computes wrongly; check its memory and its version"
    )]
    Diverged {
        /// One of them.
        rank: usize,
        /// The other.
        holder: usize,
        /// The step both are after.
        step: u64,
    },
    /// The loader ended before the job did.
    #[error("the loader ended before step {step}")]
    LoaderEnded {
        /// The step that lacks samples.
        step: u64,
    },
    /// The training thread does not take its orders any more.
    #[error(
        "the training thread hangs: its orders pile up; look at the device and restart this worker"
    )]
    Stuck,
    /// The group failed; a new generation may mend it.
    #[error(transparent)]
    Group(#[from] CollectiveError),
    /// The data set cannot be read.
    #[error(transparent)]
    Data(#[from] DataSetError),
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The model refuses its input, or the device is not there.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn waited(patience: Option<std::time::Duration>) -> String {
    let line = |patience: std::time::Duration| format!(" within {} s (--wait)", patience.as_secs());
    patience.map(line).unwrap_or_default()
}

impl WorkerError {
    /// The rank that this error speaks against, and of what; a connection that merely closed accuses nobody, since
    /// whoever leaves a broken group closes its own.
    pub(crate) fn accused(&self) -> Option<Accused> {
        let rank = |rank: usize| u32::try_from(rank).ok();
        match self {
            Self::Group(
                error @ (CollectiveError::TimedOut { .. }
                | CollectiveError::Absent { .. }
                | CollectiveError::Io { .. }),
            ) => error.accused().and_then(rank).map(Accused::Unreachable),
            Self::Corrupted { rank: own, .. } | Self::Unlike { rank: own, .. } => {
                rank(*own).map(Accused::Diverged)
            }
            _ => None,
        }
    }

    /// Whether this process is of no use any more, and another one in its place would be.
    pub(crate) fn asks_for_another_process(&self) -> bool {
        matches!(self, Self::Group(error) if error.action() == Action::Replace)
    }

    /// Whether what this worker holds is of no use any more.
    pub(crate) const fn spoils_state(&self) -> bool {
        matches!(
            self,
            Self::Corrupted { .. } | Self::Unlike { is_own: true, .. } | Self::NoMajority { .. }
        )
    }
}

impl From<ProtocolError> for WorkerError {
    fn from(error: ProtocolError) -> Self {
        Self::Job {
            reason: error.to_string(),
        }
    }
}
