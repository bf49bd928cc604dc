//! `all_reduce` over NCCL: the sizes over the mesh, then the sums, then a barrier.

use std::ops::Range;

use super::raw::{Communicator, DeviceFloats, Fault, Piece, Plan};
use super::{Adding, NcclError, Site, wait_until};
use crate::reduce::{finish, owned, restrict};
use crate::sums::Part;
use crate::tcp::{Call, agree};
use crate::{CollectiveError, Membership, Operation, ProcessGroup, TcpGroup};

/// One `all_reduce` of one rank.
pub(super) struct Reduction<'a> {
    pub(super) group: &'a TcpGroup,
    pub(super) call: &'a Call,
    pub(super) communicator: &'a mut Communicator,
}

impl Reduction<'_> {
    /// Reduces this rank's parts with those of the peers.
    pub(super) fn run(
        mut self,
        parts: Vec<Part>,
        adding: Adding,
    ) -> Result<Vec<f32>, CollectiveError> {
        let elements = parts.first().map(|part| part.values.len());
        let elements = agree(self.group, self.call, elements)?;
        let last = match adding {
            Adding::Exact => Operation::ReduceShare,
            Adding::Fast => Operation::ReduceSum,
        };
        let sum = match adding {
            _ if elements == 0 => Ok(Vec::new()),
            Adding::Exact => self.exact(parts, elements),
            Adding::Fast => self.fast(parts, elements),
        }?;
        // A rank that left now would end its communicator under the peers' hands.
        self.call.part(last).barrier(&self.group.peers)?;
        Ok(sum)
    }

    /// Has NCCL add the ranks' vectors where they lie.
    pub(super) fn run_on_device(mut self, vector: DeviceFloats) -> Result<(), CollectiveError> {
        let Membership { slots, rank, .. } = &self.group.membership;
        let floats = vector.floats();
        let mine = (!slots[*rank].is_empty()).then_some(floats);
        let elements = agree(self.group, self.call, mine)?;
        if elements != floats {
            let reason = format!("the vector has {floats} floats, those of the peers {elements}");
            return Err(CollectiveError::Sums { reason });
        }
        if elements > 0 {
            let site = self.site(Operation::ReduceSum, elements);
            self.launch(site, &Plan::SumInPlace(vector))?;
        }
        self.call
            .part(Operation::ReduceSum)
            .barrier(&self.group.peers)
    }

    /// Adds this rank's parts, and has NCCL add the ranks.
    fn fast(&mut self, parts: Vec<Part>, elements: usize) -> Result<Vec<f32>, CollectiveError> {
        let site = self.site(Operation::ReduceSum, elements);
        let mut parts = parts.into_iter();
        let mut sum = parts
            .next()
            .map_or_else(|| vec![0.0; elements], |part| part.values);
        for part in parts {
            sum.iter_mut()
                .zip(&part.values)
                .for_each(|(sum, value)| *sum += value);
        }
        self.pack(site, elements, elements, |room| room.copy_from_slice(&sum))?;
        self.launch(site, &Plan::Sum(elements))?;
        sum.copy_from_slice(&self.received(site)?[..elements]);
        Ok(sum)
    }

    /// Sends every owner this rank's parts of its elements, finishes the tree of the own ones, hands the result round.
    fn exact(&mut self, parts: Vec<Part>, elements: usize) -> Result<Vec<f32>, CollectiveError> {
        let Membership { rank, .. } = self.group.membership;
        let mine = owned(elements, self.group.world_size(), rank);
        let mut all = restrict(&parts, &mine);
        let spent = parts.into_iter();
        let mut vector = self.scatter(spent, &mine, elements, &mut all)?;
        let missing = || CollectiveError::Sums {
            reason: "a slot has no gradient".to_owned(),
        };
        let result = finish(self.group.membership.tree(), all).ok_or_else(missing)?;
        vector[mine].copy_from_slice(&result);
        self.share(&result, &mut vector)?;
        Ok(vector)
    }

    /// Adds the peers' parts of this rank's elements to `all`; gives a vector that is used no more.
    fn scatter(
        &mut self,
        parts: impl Iterator<Item = Part>,
        mine: &Range<usize>,
        elements: usize,
        all: &mut Vec<Part>,
    ) -> Result<Vec<f32>, CollectiveError> {
        let site = self.site(Operation::ReduceScatter, elements);
        let parts: Vec<_> = parts.collect();
        let (world, membership) = (self.group.world_size(), &self.group.membership);
        let mut pieces = Vec::with_capacity(self.group.peers.len());
        let (mut out, mut back) = (0, 0);
        for peer in &self.group.peers {
            let theirs = owned(elements, world, peer.rank);
            let covered = membership.tree().cover(&membership.slots[peer.rank]).len();
            let (sent, received) = (theirs.len() * parts.len(), mine.len() * covered);
            pieces.push(Piece {
                peer: peer.rank,
                outgoing: out..out + sent,
                incoming: back..back + received,
            });
            (out, back) = (out + sent, back + received);
        }
        self.pack(site, out, back, |mut room| {
            for piece in &pieces {
                for part in &parts {
                    let theirs = &part.values[owned(elements, world, piece.peer)];
                    let (now, later) = room.split_at_mut(theirs.len());
                    now.copy_from_slice(theirs);
                    room = later;
                }
            }
        })?;
        self.launch(site, &Plan::Exchange(&pieces))?;
        let mut rest = self.received(site)?;
        for peer in &self.group.peers {
            for slots in membership.tree().cover(&membership.slots[peer.rank]) {
                let (values, later) = rest.split_at(mine.len());
                let values = values.to_vec();
                all.push(Part { slots, values });
                rest = later;
            }
        }
        let spent = parts.into_iter().next();
        Ok(spent.map_or_else(|| vec![0.0; elements], |part| part.values))
    }

    /// Sends this rank's result to everybody and puts theirs into `vector`.
    fn share(&mut self, result: &[f32], vector: &mut [f32]) -> Result<(), CollectiveError> {
        let site = self.site(Operation::ReduceShare, vector.len());
        let world = self.group.world_size();
        let elements = vector.len();
        let mut back = 0;
        let mut piece = |rank| {
            let start = back;
            back += owned(elements, world, rank).len();
            Piece {
                peer: rank,
                outgoing: 0..result.len(),
                incoming: start..back,
            }
        };
        let peers = self.group.peers.iter();
        let pieces: Vec<_> = peers.map(|peer| piece(peer.rank)).collect();
        self.pack(site, result.len(), back, |room| {
            room.copy_from_slice(result)
        })?;
        self.launch(site, &Plan::Exchange(&pieces))?;
        let received = self.received(site)?;
        for piece in pieces {
            let theirs = owned(elements, world, piece.peer);
            vector[theirs].copy_from_slice(&received[piece.incoming]);
        }
        Ok(())
    }

    /// Makes room, and has exactly the outgoing floats filled.
    fn pack(
        &mut self,
        site: Site,
        outgoing: usize,
        incoming: usize,
        fill: impl FnOnce(&mut [f32]),
    ) -> Result<(), CollectiveError> {
        let failed = |fault| failed(site, fault);
        self.communicator
            .make_room(outgoing, incoming)
            .map_err(failed)?;
        let room = self.communicator.outgoing().map_err(failed)?;
        fill(&mut room[..outgoing]);
        Ok(())
    }

    /// Carries a plan out, looked after until the call's deadline.
    fn launch(&mut self, site: Site, plan: &Plan<'_>) -> Result<(), CollectiveError> {
        let mut launch = self
            .communicator
            .launch(plan)
            .map_err(|fault| failed(site, fault))?;
        wait_until(self.group, self.call, site, || launch.is_done())
    }

    fn received(&self, site: Site) -> Result<&[f32], CollectiveError> {
        self.communicator
            .incoming()
            .map_err(|fault| failed(site, fault))
    }

    fn site(&self, operation: Operation, elements: usize) -> Site {
        Site {
            operation,
            sequence: self.call.sequence(),
            bytes: (elements * size_of::<f32>()) as u64,
        }
    }
}

fn failed(site: Site, fault: Fault) -> CollectiveError {
    NcclError::Failed { site, fault }.into()
}
