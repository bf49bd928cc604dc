//! One part of a call: a frame to every peer and a frame from every peer, all at once.
//!
//! A thread for each peer and direction, so that no full socket buffer can hold another transfer up.

use std::thread;
use std::time::{Duration, Instant};

use super::frame::{self, Incoming, Outgoing, Stamp};
use super::mesh::Peer;
use super::watch::Watch;
use super::wire::{Fault, Wire};
use crate::{AbortHandle, CollectiveError, Direction, Operation, Transfer};

/// One call of a group, or one part of it; the deadline is the whole call's.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) stamp: Stamp,
    pub(super) deadline: Instant,
    pub(super) within: Duration,
    pub(super) abort: AbortHandle,
}

/// What goes to one peer and where what comes from it goes.
pub(super) struct Dealing<'a> {
    pub(super) peer: &'a Peer,
    pub(super) outgoing: Outgoing<'a>,
    pub(super) incoming: Incoming<'a>,
}

impl Call {
    /// Gives the same call in another of its parts.
    pub(super) fn part(&self, operation: Operation) -> Self {
        Self {
            stamp: Stamp {
                operation,
                ..self.stamp
            },
            ..self.clone()
        }
    }

    /// Carries all dealings out; the first failure ends them all and is the answer.
    pub(super) fn exchange(&self, dealings: Vec<Dealing<'_>>) -> Result<(), CollectiveError> {
        let watch = Watch::new(&self.abort, self.deadline);
        thread::scope(|scope| {
            let watch = &watch;
            for Dealing {
                peer,
                outgoing,
                incoming,
            } in dealings
            {
                let name = format!("rank {}", peer.rank);
                watch.spawn(scope, format!("to {name}"), move || {
                    self.run(peer, Direction::Sent, watch, |wire| {
                        frame::send(wire, &self.stamp, &outgoing)
                    });
                });
                watch.spawn(scope, format!("from {name}"), move || {
                    self.run(peer, Direction::Received, watch, |wire| {
                        frame::receive(wire, &self.stamp, incoming)
                    });
                });
            }
        });
        watch.outcome()
    }

    fn run(
        &self,
        peer: &Peer,
        direction: Direction,
        watch: &Watch,
        body: impl FnOnce(&mut Wire<'_>) -> Result<(), Fault>,
    ) {
        let mut wire = Wire::new(&peer.stream, watch);
        if let Err(fault) = body(&mut wire)
            && let Some(error) = self.explain(peer, direction, wire.moved(), fault)
        {
            watch.fail(error);
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
        let transfer = Transfer {
            peer: peer.rank,
            address: peer.address,
            operation,
            sequence,
            direction,
            bytes,
        };
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
            Fault::TooLong { bytes, limit } => CollectiveError::TooLong {
                rank: peer.rank,
                operation,
                sequence,
                bytes,
                limit,
            },
        })
    }
}
