//! What can go wrong between ranks, with who, where and how far.
//!
//! Owns the error enum and the words in it; it decides nothing about what happens to the run.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

use crate::NcclError;

/// A failure of a process group.
///
/// After any failure of a call the group is spent: later calls answer [`Broken`](Self::Broken).
#[derive(Debug, Error)]
pub enum CollectiveError {
    /// The membership contradicts itself; nothing was sent.
    #[error("this membership cannot form a group: {reason}")]
    Membership { reason: String },
    /// The sums do not fit the group's slots; nothing was sent.
    #[error("these slot sums cannot be reduced: {reason}")]
    Sums {
        /// What does not fit.
        reason: String,
    },
    /// The listener given by the worker does not work.
    #[error("cannot accept peers on this worker's listener: check the limit of open files")]
    Listener { source: io::Error },
    /// A thread for talking to a peer could not be started.
    #[error("cannot start a thread to talk to a peer: check the limit of threads")]
    Thread { source: io::Error },
    /// A peer did not come while the group was formed.
    #[error(
        "rank {peer} ({address}) did not join generation {generation} within {waited:.1?}: \
         check that its worker runs and that this host reaches it"
    )]
    Absent {
        /// The rank that is missing.
        peer: usize,
        /// Where it should listen.
        address: SocketAddr,
        /// The generation being formed.
        generation: u64,
        /// How long was waited.
        waited: Duration,
        /// The last failure to connect, if this rank was the one to connect.
        source: Option<io::Error>,
    },
    /// A peer answered, but not as a member of this group.
    #[error("rank {peer} ({address}) refused this rank for generation {generation}: {refusal}")]
    Refused {
        /// The rank that was dialled.
        peer: usize,
        address: SocketAddr,
        /// The generation being formed.
        generation: u64,
        refusal: Refusal,
    },
    /// The peer's process died, or it left the group.
    #[error("{transfer}: the peer closed the connection")]
    Closed { transfer: Transfer },
    /// The call's deadline passed while this peer was awaited.
    #[error("{transfer}: the peer did not answer within {deadline:.1?}")]
    TimedOut {
        transfer: Transfer,
        /// The deadline of the whole call.
        deadline: Duration,
    },
    /// The peer sent something of another generation, call or size.
    #[error("{transfer}: the peer sent {what} {found} where {expected} was expected")]
    Mismatch {
        transfer: Transfer,
        /// The field that differs.
        what: &'static str,
        expected: u64,
        found: u64,
    },
    /// Somebody between the ranks changed, dropped or repeated what the peer sent.
    #[error("{transfer}: what came is not what the peer sent")]
    Forged { transfer: Transfer },
    /// A message above the limit of [`TcpSettings`](crate::TcpSettings).
    #[error("rank {rank} sent {bytes} bytes to {operation} {sequence}, above the limit of {limit}")]
    TooLong {
        /// The rank whose message it is; may be this one.
        rank: usize,
        operation: Operation,
        /// The number of the call.
        sequence: u64,
        /// The size of the message.
        bytes: u64,
        limit: u64,
    },
    /// The network failed in another way.
    #[error("{transfer}: the connection failed")]
    Io {
        transfer: Transfer,
        source: io::Error,
    },
    /// The group's [`AbortHandle`](crate::AbortHandle) was used.
    #[error("the group was aborted")]
    Aborted,
    /// An earlier call failed, so the connections are no longer in step.
    #[error("the group has failed in {operation} {sequence} before: form a new generation")]
    Broken {
        /// The call that failed.
        operation: Operation,
        sequence: u64,
    },
    /// NCCL failed, or a peer in one of its calls.
    #[error(transparent)]
    Nccl(#[from] NcclError),
}

/// What the caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Ask for a new generation: the membership, not this rank, is at fault.
    Rejoin,
    /// Stop: the same would happen again.
    Fatal,
    /// End this process, so that another one takes its place: the membership and the job are sound.
    Replace,
}

impl CollectiveError {
    /// Says what the caller can do.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Self::Absent { .. }
            | Self::Refused { .. }
            | Self::Closed { .. }
            | Self::TimedOut { .. }
            | Self::Io { .. }
            | Self::Mismatch { .. }
            | Self::Forged { .. }
            | Self::TooLong { .. }
            | Self::Aborted
            | Self::Broken { .. } => Action::Rejoin,
            Self::Membership { .. }
            | Self::Sums { .. }
            | Self::Listener { .. }
            | Self::Thread { .. } => Action::Fatal,
            Self::Nccl(error) => error.action(),
        }
    }

    /// Names the rank that this error accuses, if it accuses one.
    #[must_use]
    pub fn accused(&self) -> Option<usize> {
        match self {
            Self::Absent { peer, .. } | Self::Refused { peer, .. } => Some(*peer),
            Self::Closed { transfer }
            | Self::TimedOut { transfer, .. }
            | Self::Mismatch { transfer, .. }
            | Self::Forged { transfer }
            | Self::Io { transfer, .. } => Some(transfer.peer),
            Self::TooLong { rank, .. } => Some(*rank),
            Self::Membership { .. }
            | Self::Sums { .. }
            | Self::Listener { .. }
            | Self::Thread { .. }
            | Self::Aborted
            | Self::Broken { .. } => None,
            Self::Nccl(error) => error.accused(),
        }
    }
}

/// One direction of one call with one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    pub peer: usize,
    pub address: SocketAddr,
    /// The operation, or its part.
    pub operation: Operation,
    /// The number of the call in this generation, from 1.
    pub sequence: u64,
    /// Whether this rank was sending or receiving.
    pub direction: Direction,
    /// How many bytes had moved.
    pub bytes: u64,
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            peer,
            address,
            operation,
            sequence,
            direction,
            bytes,
        } = self;
        write!(
            f,
            "rank {peer} ({address}) in {operation} {sequence}, {bytes} bytes {direction}"
        )
    }
}

/// Which way the bytes of a [`Transfer`] go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the peer.
    Sent,
    /// From the peer.
    Received,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sent => "sent",
            Self::Received => "received",
        })
    }
}

/// A collective operation; `all_reduce` has parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Everybody's message to everybody.
    AllGather,
    /// The first part of `all_reduce`: do all bring the same size?
    ReduceOffer,
    /// The second: partial sums to the owners of the element ranges.
    ReduceScatter,
    /// The third: the owners' results to everybody.
    ReduceShare,
    /// The holders' values to the ranks that lack them.
    Replicate,
    /// What the ranks agree on before the first call: how they are linked.
    Form,
    /// All of `all_reduce` behind the sizes, where a library adds.
    ReduceSum,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AllGather => "all_gather",
            Self::ReduceOffer => "all_reduce (sizes)",
            Self::ReduceScatter => "all_reduce (partial sums)",
            Self::ReduceShare => "all_reduce (results)",
            Self::Replicate => "replicate",
            Self::Form => "forming the group",
            Self::ReduceSum => "all_reduce (sum)",
        })
    }
}

/// Why a rank does not take another one in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The caller's generation is over.
    Stale {
        /// The generation of the rank that refuses.
        theirs: u64,
    },
    /// The caller's generation has not come to the one that refuses; it may come.
    Early {
        /// The generation of the rank that refuses.
        theirs: u64,
    },
    /// It works in another run.
    OtherRun,
    /// It is of the same generation, but counts or numbers the ranks otherwise.
    OtherPlace,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale { theirs } => write!(f, "it is already in generation {theirs}"),
            Self::Early { theirs } => write!(f, "it is still in generation {theirs}"),
            Self::OtherRun => f.write_str("it works in another run"),
            Self::OtherPlace => f.write_str("its membership has other ranks"),
        }
    }
}

#[cfg(test)]
mod tests;
