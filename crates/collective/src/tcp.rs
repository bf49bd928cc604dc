//! The process group over TCP, for CPUs: a full mesh of sockets, blocking threads, no runtime.
//!
//! Owns the life of a group: joining, counting calls, refusing them after a failure. Its parts own the rest.

mod call_guard;
mod control;
mod exchange;
mod frame;
mod handshake;
mod mesh;
mod pending;
mod port;
mod reduction;
mod replication;
mod seal;
mod sizes;
#[cfg(test)]
mod tests;
mod wire;

use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use self::call_guard::moment_after;
use self::frame::Stamp;
use self::reduction::Reduction;
use self::replication::Replication;
use crate::{AbortHandle, CollectiveError, Membership, Operation, ProcessGroup, SlotSums};

pub(crate) use self::control::Interruption;
pub(crate) use self::exchange::Call;
pub(crate) use self::mesh::Peer;
pub use self::port::MeshPort;
pub use self::seal::Sealing;
pub(crate) use self::sizes::agree;
pub use self::wire::Traffic;

/// Deadlines and limits of a [`TcpGroup`].
#[derive(Debug, Clone)]
pub struct TcpSettings {
    /// How long the mesh may take to form.
    pub join_within: Duration,
    /// How long one call may take, from its start on this rank to its end.
    pub call_within: Duration,
    /// The largest message of one rank to `all_gather`, in bytes.
    pub gather_limit: u64,
    /// The longest vector of `all_reduce`, in elements, that a rank without slots believes in.
    pub element_limit: usize,
    /// What is done to the bytes between ranks; all of them have to agree.
    pub sealing: Sealing,
    /// Ends joining as well as calls; the group's [`ProcessGroup::abort_handle`] is a clone of it.
    pub abort: AbortHandle,
}

impl TcpSettings {
    /// One deadline for joining and for each call, generous limits, a fresh abort handle.
    #[must_use]
    pub fn new(deadline: Duration) -> Self {
        Self {
            join_within: deadline,
            call_within: deadline,
            // Embeddings and digests are kilobytes; this only has to be below the memory of a small host.
            gather_limit: 256 << 20,
            // Four gigabytes of gradient: ten times the paper's model.
            element_limit: 1 << 30,
            sealing: Sealing::Plain,
            abort: AbortHandle::new(),
        }
    }
}

/// A [`ProcessGroup`] over TCP. Dropping it closes its connections, and the peers see that at once.
#[derive(Debug)]
pub struct TcpGroup {
    pub(crate) membership: Membership,
    pub(crate) peers: Vec<Peer>,
    settings: TcpSettings,
    sequence: u64,
    failed: Option<(Operation, u64)>,
}

impl TcpGroup {
    /// The group of one rank that computes all slots.
    #[must_use]
    pub fn alone(n_slots: usize) -> Self {
        Self {
            membership: Membership {
                run: String::new(),
                generation: 0,
                rank: 0,
                addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
                slots: std::iter::once(0..n_slots).collect(),
            },
            peers: Vec::new(),
            // Nobody is waited for.
            settings: TcpSettings::new(Duration::MAX),
            sequence: 0,
            failed: None,
        }
    }

    /// Joins the group with one deadline for joining and for every call; see [`connect_with`](Self::connect_with).
    ///
    /// # Errors
    /// As [`connect_with`](Self::connect_with).
    pub fn connect(
        port: &MeshPort,
        membership: &Membership,
        deadline: Duration,
    ) -> Result<Self, CollectiveError> {
        Self::connect_with(port, membership, TcpSettings::new(deadline))
    }

    /// Joins the group: accepts the higher ranks at `port` and dials the lower ones.
    ///
    /// Whoever comes for another run or generation is refused, and the port goes on until all are there or the
    /// deadline passes. A peer that is not there yet, or still in an older generation, is dialled again.
    /// A world of one touches no socket.
    ///
    /// # Errors
    /// `Membership` if it contradicts itself; `Absent` for the rank that did not come; `Refused` if a peer is in a
    /// later generation, another run or a different world; `Listener`, `Thread`; `Aborted`.
    pub fn connect_with(
        port: &MeshPort,
        membership: &Membership,
        settings: TcpSettings,
    ) -> Result<Self, CollectiveError> {
        membership.check()?;
        let peers = match membership.world_size() {
            1 => Vec::new(),
            _ => mesh::form(port, membership, &settings)?,
        };
        for peer in &peers {
            let stream = Arc::downgrade(&peer.stream);
            settings.abort.on_abort(move || {
                // It fails only on a connection that is closed already.
                let _ = stream
                    .upgrade()
                    .map(|stream| stream.shutdown(Shutdown::Both));
            });
        }
        let Membership {
            generation, rank, ..
        } = membership;
        debug!(
            generation,
            rank,
            world = membership.world_size(),
            "joined the group"
        );
        Ok(Self {
            membership: membership.clone(),
            peers,
            settings,
            sequence: 0,
            failed: None,
        })
    }

    /// Numbers a call, refuses it on a spent group, and marks the group spent if it fails.
    pub(crate) fn call<T>(
        &mut self,
        operation: Operation,
        body: impl FnOnce(&Self, &Call) -> Result<T, CollectiveError>,
    ) -> Result<T, CollectiveError> {
        if self.settings.abort.is_aborted() {
            return Err(CollectiveError::Aborted);
        }
        if let Some((operation, sequence)) = self.failed {
            return Err(CollectiveError::Broken {
                operation,
                sequence,
            });
        }
        self.sequence += 1;
        let call = self.numbered(operation, self.sequence, self.settings.call_within);
        let outcome = body(self, &call);
        if outcome.is_err() {
            self.failed = Some((operation, self.sequence));
        }
        outcome
    }

    fn numbered(&self, operation: Operation, sequence: u64, within: Duration) -> Call {
        let stamp = Stamp {
            operation,
            generation: self.membership.generation,
            sequence,
        };
        Call {
            stamp,
            deadline: moment_after(within),
            within,
            abort: self.settings.abort.clone(),
        }
    }

    fn gather(&self, call: &Call, mine: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let Self {
            membership: Membership { rank, .. },
            peers,
            settings,
            ..
        } = self;
        let (bytes, limit) = (mine.len() as u64, settings.gather_limit);
        if bytes > limit {
            let Stamp {
                operation,
                sequence,
                ..
            } = call.stamp;
            return Err(CollectiveError::TooLong {
                rank: *rank,
                operation,
                sequence,
                bytes,
                limit,
            });
        }
        let mut messages = call.send_all(peers, mine, limit)?;
        messages.insert(*rank, mine.to_vec());
        Ok(messages)
    }
}

impl ProcessGroup for TcpGroup {
    fn rank(&self) -> usize {
        self.membership.rank
    }

    fn world_size(&self) -> usize {
        self.membership.world_size()
    }

    fn set_deadline(&mut self, within: Duration) {
        self.settings.call_within = within;
    }

    fn all_gather(&mut self, mine: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        self.call(Operation::AllGather, |group, call| group.gather(call, mine))
    }

    fn all_reduce(&mut self, sums: SlotSums) -> Result<Vec<f32>, CollectiveError> {
        self.call(Operation::ReduceOffer, |group, call| {
            let membership = &group.membership;
            let parts = sums.into_parts(membership.tree(), &membership.slots[membership.rank])?;
            Reduction { group, call }.run(parts)
        })
    }

    fn replicate(
        &mut self,
        holders: &[usize],
        values: Vec<&mut [f32]>,
    ) -> Result<(), CollectiveError> {
        self.call(Operation::Replicate, |group, call| {
            Replication {
                peers: &group.peers,
                rank: group.membership.rank,
                holders,
            }
            .run(call, values)
        })
    }

    fn abort_handle(&self) -> AbortHandle {
        self.settings.abort.clone()
    }
}
