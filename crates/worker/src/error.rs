//! What can end a worker, or only its group.

use fratmae_checkpoint::{CheckpointError, CheckpointId};
use fratmae_collective::{Action, CollectiveError};
use fratmae_control::Parting;
use fratmae_dataset::DataSetError;
use fratmae_protocol::ProtocolError;
use fratmae_protocol::pb::group_broken::Accused;
use fratmae_store::StoreError;
use fratmae_trainer::TrainError;
use std::time::Duration;

/// A worker's failure, in words for whoever reads the coordinator's verdict.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It is not connected to a coordinator, or not any more.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// It cannot do the job that it was given.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A part of this process does not work.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The checkpoint that a generation begins from is not what was written.
    #[error("cannot begin from the checkpoint of step {}", .id.step)]
    Unrestorable {
        id: CheckpointId,
        /// Which object, and what is wrong with it.
        #[source]
        source: CheckpointError,
    },
    /// The group failed; a new generation may help.
    #[error(transparent)]
    Group(#[from] CollectiveError),
    /// A member is announced at what is no address.
    #[error("rank {rank} is announced at {address}, which is no IP address with a port")]
    NoAddress { rank: usize, address: String },
    /// The data set cannot be read.
    #[error(transparent)]
    Data(#[from] DataSetError),
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A step failed, or a copy of the state, for another reason than its group.
    #[error(transparent)]
    Train(TrainError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a worker is not connected to a coordinator.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The coordinator cannot be reached.
    #[error(
        "no coordinator answers at {address} ({reason}){}; is it running, and can this host reach it?", waited(*patience)
    )]
    Unreachable {
        address: String,
        /// What the connection said.
        reason: String,
        /// How long it was waited for, if it was.
        patience: Option<Duration>,
    },
    /// The coordinator is on another host, and nobody would show who it is.
    #[error(
        "the coordinator at {address} is not on this machine, and there are no keys to know it by: give --keys DIR, the \
         keys of its run, or --keys none to believe whoever answers there"
    )]
    Keyless { address: String },
    /// The stream ended although the coordinator had not said stop, and no other coordinator came.
    #[error(
        "the coordinator at {address} is gone and none has taken its place within {} s (workers.coordinator_patience_s); start it again with the same run to go on from its newest checkpoint", patience.as_secs()
    )]
    CoordinatorLost {
        address: String,
        /// How long another one was looked for.
        patience: Duration,
    },
    /// The coordinator ended the run, or this worker.
    #[error("the coordinator says: {reason}")]
    Stopped {
        reason: String,
        /// What that means for whoever started this worker.
        parting: Parting,
    },
    /// An address that this worker would announce to its peers cannot be used.
    #[error(transparent)]
    Address(#[from] fratmae_network::AddressError),
    /// The name that this worker would announce to its peers has no address.
    #[error(
        "{name} has no address here ({reason}); give this host's address for the others with --advertise"
    )]
    Unresolved {
        name: String,
        /// What the system said.
        reason: String,
    },
    /// No socket for the group could be opened.
    #[error("cannot listen for peers on {address}; give another --listen")]
    Listen {
        address: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Why a worker cannot do its job.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// What came from the coordinator cannot be read.
    #[error("the coordinator's job cannot be read ({reason}); are both of the same version?")]
    Unreadable {
        /// What is wrong with it.
        reason: String,
    },
    /// A GPU is required, and there is none.
    #[error(
        "workers.device = \"cuda\" cannot be had: {reason}; {help}, or take \"auto\" or \"cpu\""
    )]
    NoGpu { reason: String, help: &'static str },
    /// The data set is not the one the run began with.
    #[error(
        "data set {url} has digest {found} here and {expected} at the coordinator; all must read the same data"
    )]
    OtherData {
        url: String,
        found: String,
        /// Its digest at the coordinator.
        expected: String,
    },
    /// The data set's manifest is not the coordinator's, byte for byte, though it lists the same cases.
    #[error(
        "manifest.json of data set {url} has digest {found} here and {expected} at the coordinator: one of the copies is damaged or was changed; compare them"
    )]
    OtherManifest {
        url: String,
        found: String,
        /// Its digest at the coordinator.
        expected: String,
    },
    /// A generation begins from a state that this worker does not have.
    #[error(
        "the generation begins at step {step}, whose state is not here; are all workers of the same version?"
    )]
    NoState {
        /// The step it begins at.
        step: u64,
    },
}

/// What does not work in a worker's process.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// A thread cannot be started.
    #[error("{reason}; start this worker again")]
    Thread {
        /// Which one, and why not.
        reason: String,
    },
    /// A thread panicked.
    #[error("{reason}; this worker ends, as it would wait for that thread for ever")]
    Panicked {
        /// Which one, the panic's text and where it was.
        reason: String,
    },
    /// The loader ended before the job did.
    #[error("the loader ended before step {step}")]
    LoaderEnded {
        /// The step that lacks samples.
        step: u64,
    },
    /// The training thread does not take its commands any more.
    #[error(
        "the training thread hangs: its orders pile up; look at the device and restart this worker"
    )]
    Stuck,
}

fn waited(patience: Option<Duration>) -> String {
    let line = |patience: Duration| format!(" within {} s (--wait)", patience.as_secs());
    patience.map(line).unwrap_or_default()
}

impl WorkerError {
    /// The rank that this error accuses, and of what. A connection that merely closed accuses nobody: whoever leaves a
    /// broken group closes its own.
    pub(crate) fn accused(&self) -> Option<Accused> {
        let rank = |rank: usize| u32::try_from(rank).ok();
        match self {
            Self::Group(
                error @ (CollectiveError::TimedOut { .. }
                | CollectiveError::Absent { .. }
                | CollectiveError::Io { .. }
                | CollectiveError::Mismatch { .. }
                | CollectiveError::TooLong { .. }),
            ) => error.accused().and_then(rank).map(Accused::Unreachable),
            Self::NoAddress { rank: of, .. }
            | Self::Train(TrainError::Exchange { rank: of, .. }) => {
                rank(*of).map(Accused::Unreachable)
            }
            Self::Train(
                TrainError::Corrupted { rank: of, .. }
                | TrainError::Unlike { rank: of, .. }
                | TrainError::CopyDiffers { rank: of, .. },
            ) => rank(*of).map(Accused::Diverged),
            _ => None,
        }
    }

    /// What the end of a worker by this error means for whoever started it.
    #[must_use]
    pub const fn parting(&self) -> Parting {
        match self {
            Self::Connection(ConnectionError::Stopped { parting, .. }) => *parting,
            // The run may go on without it, and another coordinator may come.
            Self::Connection(
                ConnectionError::Unreachable { .. } | ConnectionError::CoordinatorLost { .. },
            ) => Parting::Replaced,
            Self::Connection(
                ConnectionError::Unresolved { .. } | ConnectionError::Listen { .. },
            )
            | Self::Job(JobError::NoGpu { .. })
            | Self::Process(_)
            | Self::Group(_)
            | Self::Store(_) => Parting::Unfit,
            Self::Job(_) | Self::Connection(ConnectionError::Keyless { .. }) => Parting::Refused,
            Self::Connection(ConnectionError::Address(_))
            | Self::Unrestorable { .. }
            | Self::NoAddress { .. }
            | Self::Data(_)
            | Self::Checkpoint(_)
            | Self::Train(_) => Parting::Failed,
        }
    }

    /// Whether the coordinator must hear of this before peers see this rank's connections close: they would be heard
    /// first, and do not know who is at fault.
    pub(crate) const fn is_evidence(&self) -> bool {
        matches!(
            self,
            Self::Group(CollectiveError::Mismatch { .. } | CollectiveError::TooLong { .. })
                | Self::Train(
                    TrainError::Exchange { .. }
                        | TrainError::Corrupted { .. }
                        | TrainError::Unlike { .. }
                        | TrainError::NoMajority { .. }
                        | TrainError::CopyDiffers { .. }
                )
        )
    }

    /// Whether this process is of no more use, but another one in its place would be.
    pub(crate) fn needs_new_process(&self) -> bool {
        matches!(self, Self::Group(error) if error.action() == Action::Replace)
    }

    /// Whether the state that this worker holds is of no more use.
    pub(crate) const fn invalidates_state(&self) -> bool {
        matches!(self, Self::Train(error) if error.invalidates_state())
    }
}

impl From<TrainError> for WorkerError {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Group(error) => Self::Group(error),
            error => Self::Train(error),
        }
    }
}

impl From<ProtocolError> for WorkerError {
    fn from(error: ProtocolError) -> Self {
        let reason = error.to_string();
        JobError::Unreadable { reason }.into()
    }
}
