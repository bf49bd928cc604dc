//! `all_reduce` over the mesh: sizes, partial sums to the owners, results to everybody.
//!
//! Which elements and subtrees these are is `reduce.rs`'s and `tree.rs`'s matter.

use std::ops::Range;

use super::exchange::{Call, Dealing};
use super::frame::{Incoming, Outgoing, expect, u64_at};
use super::mesh::Peer;
use super::wire::Fault;
use crate::reduce::{finish, owned, pieces, restrict};
use crate::sums::Part;
use crate::{CollectiveError, Direction, Membership, Operation};

/// One `all_reduce` of one rank.
pub(super) struct Reduction<'a> {
    pub(super) peers: &'a [Peer],
    pub(super) membership: &'a Membership,
    pub(super) call: &'a Call,
    pub(super) element_limit: usize,
}

impl Reduction<'_> {
    /// Reduces this rank's parts with those of the peers.
    pub(super) fn run(&self, parts: Vec<Part>) -> Result<Vec<f32>, CollectiveError> {
        if self.peers.is_empty() {
            return self.finish(parts);
        }
        let elements = self.agree(parts.first().map(|part| part.values.len()))?;
        let mine = self.scatter(&parts, elements)?;
        let spent = parts.into_iter().next();
        self.share(
            &mine,
            spent.map_or_else(|| vec![0.0; elements], |part| part.values),
        )
    }

    /// Tells everybody the number of elements, which a rank without slots does not know, and compares the dealings.
    fn agree(&self, mine: Option<usize>) -> Result<usize, CollectiveError> {
        let call = self.call.part(Operation::ReduceOffer);
        let offer = offer(&self.membership.slots[self.membership.rank], mine);
        let mut offers = vec![Vec::new(); self.peers.len()];
        let dealing = |(peer, into)| Dealing {
            peer,
            outgoing: Outgoing::Bytes(&offer),
            incoming: Incoming::Bytes { limit: 24, into },
        };
        call.exchange(self.peers.iter().zip(&mut offers).map(dealing).collect())?;
        let mut agreed = mine;
        for (peer, offer) in self.peers.iter().zip(&offers) {
            self.compare(peer, offer, &mut agreed).or_else(|fault| {
                call.explain(peer, Direction::Received, offer.len() as u64, fault)
                    .map_or(Ok(()), Err)
            })?;
        }
        Ok(agreed.unwrap_or(0))
    }

    fn compare(&self, peer: &Peer, offer: &[u8], agreed: &mut Option<usize>) -> Result<(), Fault> {
        let slots = &self.membership.slots[peer.rank];
        expect(
            "length",
            if slots.is_empty() { 16 } else { 24 },
            offer.len() as u64,
        )?;
        if slots.is_empty() {
            return expect(
                "number of slots",
                0,
                u64_at(offer, 8).saturating_sub(u64_at(offer, 0)),
            );
        }
        expect("first slot", slots.start as u64, u64_at(offer, 0))?;
        expect("end of slots", slots.end as u64, u64_at(offer, 8))?;
        let elements = u64_at(offer, 16);
        match *agreed {
            Some(agreed) => expect("number of elements", agreed as u64, elements),
            None => self
                .believe(elements)
                .map(|elements| *agreed = Some(elements)),
        }
    }

    /// Takes the number of elements from a peer, for want of an own one.
    fn believe(&self, elements: u64) -> Result<usize, Fault> {
        let limit = self.element_limit as u64;
        if elements > limit {
            return Err(Fault::TooLong {
                bytes: elements.saturating_mul(4),
                limit: limit.saturating_mul(4),
            });
        }
        Ok(elements as usize)
    }

    /// Sends every owner this rank's parts of its elements, receives the others' parts of mine, finishes the tree.
    fn scatter(&self, parts: &[Part], elements: usize) -> Result<Vec<f32>, CollectiveError> {
        let Membership { rank, slots, .. } = self.membership;
        let (tree, world) = (self.membership.tree(), self.membership.world_size());
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
        let mut arrivals: Vec<Vec<Part>> = self.peers.iter().map(room).collect();
        let mut dealings = Vec::with_capacity(self.peers.len());
        for (peer, arriving) in self.peers.iter().zip(&mut arrivals) {
            let theirs = owned(elements, world, peer.rank);
            dealings.push(Dealing {
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
            .exchange(dealings)?;
        let mut all = restrict(parts, &mine);
        all.extend(arrivals.into_iter().flatten());
        self.finish(all)
    }

    fn finish(&self, parts: Vec<Part>) -> Result<Vec<f32>, CollectiveError> {
        let reason = || CollectiveError::Sums {
            reason: "a slot has no gradient".to_owned(),
        };
        finish(self.membership.tree(), parts).ok_or_else(reason)
    }

    /// Sends my elements' results to everybody and receives theirs into `vector`.
    fn share(&self, mine: &[f32], mut vector: Vec<f32>) -> Result<Vec<f32>, CollectiveError> {
        let mut rooms = pieces(&mut vector, self.membership.world_size());
        rooms.remove(self.membership.rank).copy_from_slice(mine);
        let dealing = |(peer, room)| Dealing {
            peer,
            outgoing: Outgoing::Floats(vec![mine]),
            incoming: Incoming::Floats(vec![room]),
        };
        self.call
            .part(Operation::ReduceShare)
            .exchange(self.peers.iter().zip(rooms).map(dealing).collect())?;
        Ok(vector)
    }
}

/// Lays out the slots this rank holds and, if there are any, the number of elements.
fn offer(slots: &Range<usize>, elements: Option<usize>) -> Vec<u8> {
    let numbers = [Some(slots.start), Some(slots.end), elements];
    numbers
        .into_iter()
        .flatten()
        .flat_map(|number| (number as u64).to_le_bytes())
        .collect()
}
