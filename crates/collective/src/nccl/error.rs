//! What can go wrong with NCCL: with its library, its device, a communicator, or a peer while it is waited for.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

use super::raw::Fault;
use crate::{Action, Operation};

/// A failure of NCCL, or of a peer in one of its calls.
#[derive(Debug, Error)]
pub enum NcclError {
    /// A library is not there, or not one that can be used.
    #[error("{name} ({path}) {reason}: {help}")]
    Library {
        name: &'static str,
        /// Where it was looked for.
        path: String,
        /// What is wrong with it.
        reason: String,
        help: &'static str,
    },
    /// There is no device to use.
    #[error(
        "CUDA device {ordinal} cannot be used ({fault}): look at nvidia-smi and CUDA_VISIBLE_DEVICES, \
         or set collective.backend = \"tcp\""
    )]
    Device {
        /// Its number among those that this process sees.
        ordinal: usize,
        /// What the driver answered.
        fault: Fault,
    },
    /// NCCL was asked for, and the ranks cannot use it together.
    #[error("collective.backend = \"nccl\" is not possible: {reason}; \"auto\" would use TCP")]
    Disunited {
        /// Who differs, and how.
        reason: String,
    },
    /// NCCL or the driver reports an error.
    #[error("{site}: {fault}")]
    Failed { site: Site, fault: Fault },
    /// A peer died, or left the group.
    #[error("{site}: rank {peer} ({address}) closed its connection")]
    Closed {
        site: Site,
        peer: usize,
        address: SocketAddr,
    },
    /// The call's deadline passed; NCCL does not say whom it waited for.
    #[error("{site}: not done at the deadline of {deadline:.1?}")]
    TimedOut {
        site: Site,
        /// The deadline of the whole call.
        deadline: Duration,
    },
    /// The communicator could not be ended after a failure, so the device is of no more use to this process.
    #[error(
        "{cause}; and NCCL's communicator does not end within {waited:.1?}: this process must be replaced"
    )]
    Stuck {
        /// What went wrong before.
        cause: String,
        /// How long its end was waited for.
        waited: Duration,
    },
}

impl NcclError {
    /// Says what the caller can do.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Self::Failed { .. } | Self::Closed { .. } | Self::TimedOut { .. } => Action::Rejoin,
            Self::Library { .. } | Self::Device { .. } | Self::Disunited { .. } => Action::Fatal,
            Self::Stuck { .. } => Action::Replace,
        }
    }

    /// Names the rank that this error accuses, if it accuses one.
    #[must_use]
    pub fn accused(&self) -> Option<usize> {
        match self {
            Self::Closed { peer, .. } => Some(*peer),
            Self::Library { .. }
            | Self::Device { .. }
            | Self::Disunited { .. }
            | Self::Failed { .. }
            | Self::TimedOut { .. }
            | Self::Stuck { .. } => None,
        }
    }
}

/// A part of a call over NCCL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// The operation, or its part.
    pub operation: Operation,
    /// The number of the call in this generation, from 1; 0 while the group is formed.
    pub sequence: u64,
    /// The size of what it is about: the vector that is reduced, or the communicator's id.
    pub bytes: u64,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            sequence,
            bytes,
        } = self;
        write!(f, "{operation} {sequence} of {bytes} bytes over NCCL")
    }
}
