//! `all_reduce` over the mesh: sizes, partial sums to the owners, results to everybody.
//!
//! `reduce.rs` and `tree.rs` decide which elements and subtrees these are.

use super::TcpGroup;
use super::exchange::{Call, PeerExchange};
use super::frame::{Incoming, Outgoing};
use super::mesh::Peer;
use super::sizes::agree;
use crate::reduce::{finish, owned, pieces, restrict};
use crate::sums::Part;
use crate::{CollectiveError, Membership, Operation};

/// One `all_reduce` of one rank.
pub(super) struct Reduction<'a> {
    pub(super) group: &'a TcpGroup,
    pub(super) call: &'a Call,
}

impl Reduction<'_> {
    /// Reduces this rank's parts with those of the peers.
    pub(super) fn run(&self, parts: Vec<Part>) -> Result<Vec<f32>, CollectiveError> {
        if self.group.peers.is_empty() {
            return self.finish(parts);
        }
        let elements = parts.first().map(|part| part.values.len());
        let elements = agree(self.group, self.call, elements)?;
        let mine = self.scatter(&parts, elements)?;
        let spent = parts.into_iter().next();
        self.share(
            &mine,
            spent.map_or_else(|| vec![0.0; elements], |part| part.values),
        )
    }

    /// Sends every owner this rank's parts of its elements, receives the others' parts of mine, finishes the tree.
    fn scatter(&self, parts: &[Part], elements: usize) -> Result<Vec<f32>, CollectiveError> {
        let TcpGroup {
            membership, peers, ..
        } = self.group;
        let Membership { rank, slots, .. } = membership;
        let (tree, world) = (membership.tree(), membership.world_size());
        let mine = owned(elements, world, *rank);
        let empty = |slots| Part {
            slots,
            values: vec![0.0; mine.len()],
        };
        let room = |peer: &Peer| {
            tree.cover(&slots[peer.rank])
                .into_iter()
                .map(empty)
                .collect()
        };
        let mut arrivals: Vec<Vec<Part>> = peers.iter().map(room).collect();
        let mut exchanges = Vec::with_capacity(peers.len());
        for (peer, arriving) in peers.iter().zip(&mut arrivals) {
            let theirs = owned(elements, world, peer.rank);
            exchanges.push(PeerExchange {
                peer,
                outgoing: Outgoing::Floats(
                    parts
                        .iter()
                        .map(|part| &part.values[theirs.clone()])
                        .collect(),
                ),
                incoming: Incoming::Floats(
                    arriving
                        .iter_mut()
                        .map(|part| &mut part.values[..])
                        .collect(),
                ),
            });
        }
        self.call
            .part(Operation::ReduceScatter)
            .exchange(exchanges)?;
        let mut all = restrict(parts, &mine);
        all.extend(arrivals.into_iter().flatten());
        self.finish(all)
    }

    fn finish(&self, parts: Vec<Part>) -> Result<Vec<f32>, CollectiveError> {
        let reason = || CollectiveError::Sums {
            reason: "a slot has no gradient".to_owned(),
        };
        finish(self.group.membership.tree(), parts).ok_or_else(reason)
    }

    /// Sends my elements' results to everybody and receives theirs into `vector`.
    fn share(&self, mine: &[f32], mut vector: Vec<f32>) -> Result<Vec<f32>, CollectiveError> {
        let TcpGroup {
            membership, peers, ..
        } = self.group;
        let mut rooms = pieces(&mut vector, membership.world_size());
        rooms.remove(membership.rank).copy_from_slice(mine);
        let exchange = |(peer, room)| PeerExchange {
            peer,
            outgoing: Outgoing::Floats(vec![mine]),
            incoming: Incoming::Floats(vec![room]),
        };
        self.call
            .part(Operation::ReduceShare)
            .exchange(peers.iter().zip(rooms).map(exchange).collect())?;
        Ok(vector)
    }
}
