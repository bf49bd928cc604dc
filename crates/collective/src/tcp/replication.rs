//! `replicate` over the mesh: each holder sends its range of the elements to every rank that lacks them.
//!
//! A rank that lacks the values so receives from all holders at once.

use super::exchange::{Call, PeerExchange};
use super::frame::{Incoming, Outgoing};
use super::mesh::Peer;
use crate::CollectiveError;
use crate::reduce::pieces;

/// One `replicate` of one rank.
pub(super) struct Replication<'a> {
    pub(super) peers: &'a [Peer],
    pub(super) rank: usize,
    pub(super) holders: &'a [usize],
}

impl Replication<'_> {
    /// Sends this rank's range of `values`, or fills all of them.
    pub(super) fn run(&self, call: &Call, values: Vec<&mut [f32]>) -> Result<(), CollectiveError> {
        let is_needless = self.holders.is_empty() || self.holders.len() > self.peers.len();
        if is_needless {
            return Ok(());
        }
        let ranges = by_holder(values, self.holders.len());
        match self.place(self.rank) {
            Some(mine) => self.serve(call, &ranges, mine),
            None => self.fetch(call, ranges),
        }
    }

    /// A rank's place among the holders.
    fn place(&self, rank: usize) -> Option<usize> {
        self.holders.iter().position(|&holder| holder == rank)
    }

    fn serve(
        &self,
        call: &Call,
        ranges: &[Vec<&mut [f32]>],
        mine: usize,
    ) -> Result<(), CollectiveError> {
        let mut nothing = vec![Vec::new(); self.peers.len()];
        let exchange = |(peer, into): (_, _)| {
            let peer: &Peer = peer;
            let outgoing = match self.place(peer.rank) {
                Some(_) => Outgoing::Bytes(&[]),
                None => Outgoing::Floats(ranges[mine].iter().map(|range| &**range).collect()),
            };
            let incoming = Incoming::Bytes { limit: 0, into };
            PeerExchange {
                peer,
                outgoing,
                incoming,
            }
        };
        call.exchange(self.peers.iter().zip(&mut nothing).map(exchange).collect())
    }

    fn fetch(&self, call: &Call, ranges: Vec<Vec<&mut [f32]>>) -> Result<(), CollectiveError> {
        let mut nothing = vec![Vec::new(); self.peers.len()];
        // Peers are in rank order, and so are holders and their ranges.
        let mut ranges = ranges.into_iter();
        let exchange = |(peer, into): (_, _)| {
            let peer: &Peer = peer;
            let incoming = match self.place(peer.rank) {
                Some(_) => Incoming::Floats(ranges.next().unwrap_or_default()),
                None => Incoming::Bytes { limit: 0, into },
            };
            PeerExchange {
                peer,
                outgoing: Outgoing::Bytes(&[]),
                incoming,
            }
        };
        call.exchange(self.peers.iter().zip(&mut nothing).map(exchange).collect())
    }
}

/// Cuts every vector into the holders' ranges; gives each holder its range of every vector.
fn by_holder(values: Vec<&mut [f32]>, holders: usize) -> Vec<Vec<&mut [f32]>> {
    let mut ranges: Vec<Vec<&mut [f32]>> = (0..holders).map(|_| Vec::new()).collect();
    for vector in values {
        for (range, piece) in ranges.iter_mut().zip(pieces(vector, holders)) {
            range.push(piece);
        }
    }
    ranges
}
