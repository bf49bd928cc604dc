//! The first part of `all_reduce`, over the mesh whatever moves the rest: do all bring the same size, of which slots?

use std::ops::Range;

use super::TcpGroup;
use super::exchange::Call;
use super::frame::{expect, u64_at};
use super::wire::Fault;
use crate::{CollectiveError, Direction, Operation};

/// Tells everybody the number of elements, which a rank without slots does not know, and compares the exchanges.
pub(crate) fn agree(
    group: &TcpGroup,
    call: &Call,
    mine: Option<usize>,
) -> Result<usize, CollectiveError> {
    let TcpGroup {
        membership, peers, ..
    } = group;
    let limit = group.settings.element_limit;
    let call = call.part(Operation::ReduceOffer);
    let offer = offer(&membership.slots[membership.rank], mine);
    let offers = call.send_all(peers, &offer, 24)?;
    let mut agreed = mine;
    for (peer, offer) in peers.iter().zip(&offers) {
        let slots = &membership.slots[peer.rank];
        compare(slots, offer, &mut agreed, limit).or_else(|fault| {
            call.explain(peer, Direction::Received, offer.len() as u64, fault)
                .map_or(Ok(()), Err)
        })?;
    }
    Ok(agreed.unwrap_or(0))
}

fn compare(
    slots: &Range<usize>,
    offer: &[u8],
    agreed: &mut Option<usize>,
    limit: usize,
) -> Result<(), Fault> {
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
        None => believe(elements, limit).map(|elements| *agreed = Some(elements)),
    }
}

/// Takes the number of elements from a peer, for want of an own one.
fn believe(elements: u64, limit: usize) -> Result<usize, Fault> {
    let limit = limit as u64;
    if elements > limit {
        return Err(Fault::TooLong {
            bytes: elements.saturating_mul(4),
            limit: limit.saturating_mul(4),
        });
    }
    Ok(elements as usize)
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
