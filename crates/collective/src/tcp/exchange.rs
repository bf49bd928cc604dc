//! One part of a call: a frame to every peer and a frame from every peer, all at once.
//!
//! A thread for each peer and direction, so that no full socket buffer can hold another transfer up. Two shortcuts save
//! threads: a small frame is sent before any reading, and the calling thread receives the last peer's frame itself.

use std::thread;
use std::time::{Duration, Instant};

use super::call_guard::CallGuard;
use super::frame::{self, Incoming, Outgoing, Stamp};
use super::mesh::Peer;
use super::wire::{Fault, Wire};
use crate::{AbortHandle, CollectiveError, Direction, Operation, Transfer};

/// The largest message that is sent without a thread.
///
/// It fits the empty buffers of any connection. Buffers may still hold a frame of an earlier part of a call, but whoever
/// has not read that is in the earlier part, so ranks that wait for each other's buffers never form a circle.
const SMALL: u64 = 8 * 1024;

/// One call of a group, or one part of it; the deadline is the whole call's.
#[derive(Clone)]
pub(crate) struct Call {
    pub(super) stamp: Stamp,
    pub(super) deadline: Instant,
    pub(crate) within: Duration,
    pub(super) abort: AbortHandle,
}

/// What goes to one peer and where what comes from it goes.
pub(super) struct PeerExchange<'a> {
    pub(super) peer: &'a Peer,
    pub(super) outgoing: Outgoing<'a>,
    pub(super) incoming: Incoming<'a>,
}

impl Call {
    /// Gives the same call in another of its parts.
    pub(crate) fn part(&self, operation: Operation) -> Self {
        Self {
            stamp: Stamp {
                operation,
                ..self.stamp
            },
            ..self.clone()
        }
    }

    /// Carries all exchanges out; the first failure ends them all and is the answer.
    pub(super) fn exchange(&self, exchanges: Vec<PeerExchange<'_>>) -> Result<(), CollectiveError> {
        let guard = CallGuard::new(&self.abort, self.deadline);
        thread::scope(|scope| {
            let (guard, mut rooms) = (&guard, Vec::with_capacity(exchanges.len()));
            for PeerExchange {
                peer,
                outgoing,
                incoming,
            } in exchanges
            {
                if outgoing.bytes() <= SMALL {
                    self.send(peer, &outgoing, guard);
                } else {
                    let name = format!("to rank {}", peer.rank);
                    guard.spawn(scope, name, move || self.send(peer, &outgoing, guard));
                }
                rooms.push((peer, incoming));
            }
            let last = rooms.pop();
            for (peer, incoming) in rooms {
                let name = format!("from rank {}", peer.rank);
                guard.spawn(scope, name, move || self.receive(peer, incoming, guard));
            }
            if let Some((peer, incoming)) = last {
                self.receive(peer, incoming, guard);
            }
        });
        guard.outcome()
    }

    fn send(&self, peer: &Peer, outgoing: &Outgoing<'_>, guard: &CallGuard) {
        let send = |wire: &mut Wire<'_>| frame::send(wire, &self.stamp, outgoing);
        self.run(peer, Direction::Sent, guard, send);
    }

    fn receive(&self, peer: &Peer, incoming: Incoming<'_>, guard: &CallGuard) {
        let receive = |wire: &mut Wire<'_>| frame::receive(wire, &self.stamp, incoming);
        self.run(peer, Direction::Received, guard, receive);
    }

    fn run(
        &self,
        peer: &Peer,
        direction: Direction,
        guard: &CallGuard,
        body: impl FnOnce(&mut Wire<'_>) -> Result<(), Fault>,
    ) {
        let mut wire = Wire::new(&peer.stream, guard).sealed(peer.seals.as_ref());
        if let Err(fault) = body(&mut wire)
            && let Some(error) = self.explain(peer, direction, wire.moved(), fault)
        {
            guard.fail(error);
        }
    }

    /// Says who, where and how far; nothing if the failure is another thread's.
    pub(super) fn explain(
        &self,
        peer: &Peer,
        direction: Direction,
        bytes: u64,
        fault: Fault,
    ) -> Option<CollectiveError> {
        let Stamp {
            operation,
            sequence,
            ..
        } = self.stamp;
        let transfer = self.transfer(peer, direction, bytes);
        Some(match fault {
            Fault::Stopped => return None,
            Fault::Closed => CollectiveError::Closed { transfer },
            Fault::TimedOut => CollectiveError::TimedOut {
                transfer,
                deadline: self.within,
            },
            Fault::Io(source) => CollectiveError::Io { transfer, source },
            Fault::Mismatch {
                what,
                expected,
                found,
            } => CollectiveError::Mismatch {
                transfer,
                what,
                expected,
                found,
            },
            Fault::Forged => CollectiveError::Forged { transfer },
            Fault::TooLong { bytes, limit } => CollectiveError::TooLong {
                rank: peer.rank,
                operation,
                sequence,
                bytes,
                limit,
            },
        })
    }

    /// A message that came whole and is not as long as it has to be.
    pub(crate) fn wrong_length(
        &self,
        peer: &Peer,
        expected: usize,
        found: usize,
    ) -> CollectiveError {
        let (expected, found) = (expected as u64, found as u64);
        CollectiveError::Mismatch {
            transfer: self.transfer(peer, Direction::Received, found),
            what: "length",
            expected,
            found,
        }
    }

    fn transfer(&self, peer: &Peer, direction: Direction, bytes: u64) -> Transfer {
        Transfer {
            peer: peer.rank,
            address: peer.address,
            operation: self.stamp.operation,
            sequence: self.stamp.sequence,
            direction,
            bytes,
        }
    }
}
