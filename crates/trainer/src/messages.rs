//! What ranks tell each other between forward and backward: a message of every slot, and what goes along with them.

use crate::error::TrainError;
use prost::Message;
use std::ops::Range;

/// All that one rank tells.
#[derive(Clone, PartialEq, Message)]
struct OfRank {
    /// The sum of the bits of the parameters that it computed with; zero where they are not compared.
    #[prost(fixed64, tag = "1")]
    bit_sum: u64,
    /// What its hooks note.
    #[prost(bytes = "vec", tag = "2")]
    note: Vec<u8>,
    /// A message a slot.
    #[prost(bytes = "vec", repeated, tag = "3")]
    slots: Vec<Vec<u8>>,
}

/// The messages of all ranks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gathered<M> {
    pub(crate) bit_sums: Vec<u64>,
    pub(crate) notes: Vec<Vec<u8>>,
    pub(crate) slots: Vec<M>,
}

/// Writes a rank's message.
pub(crate) fn encode(bit_sum: u64, note: Vec<u8>, slots: &[impl Message]) -> Vec<u8> {
    let slots = slots.iter().map(Message::encode_to_vec).collect();
    let message = OfRank {
        bit_sum,
        note,
        slots,
    };
    message.encode_to_vec()
}

/// Reads all ranks' messages; `slots` says which slots each rank has.
///
/// # Errors
/// `Exchange` for a message that cannot be read, or has not one message for each of its slots.
pub(crate) fn decode<M: Message + Default>(
    messages: &[Vec<u8>],
    slots: &[Range<usize>],
) -> Result<Gathered<M>, TrainError> {
    let mut gathered = Gathered {
        bit_sums: Vec::new(),
        notes: Vec::new(),
        slots: Vec::new(),
    };
    for (rank, (message, slots)) in messages.iter().zip(slots).enumerate() {
        let garbled = |reason: String| TrainError::Exchange { rank, reason };
        let unread = |error: prost::DecodeError| garbled(error.to_string());
        let message = OfRank::decode(&message[..]).map_err(unread)?;
        if message.slots.len() != slots.len() {
            let (found, expected) = (message.slots.len(), slots.len());
            return Err(garbled(format!(
                "it is of {found} slots, not of {expected}"
            )));
        }
        gathered.bit_sums.push(message.bit_sum);
        gathered.notes.push(message.note);
        for slot in message.slots {
            gathered.slots.push(M::decode(&slot[..]).map_err(unread)?);
        }
    }
    Ok(gathered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(bounds: &[u64]) -> Gathered<u64> {
        let runs: Vec<_> = bounds.windows(2).map(|pair| pair[0]..pair[1]).collect();
        let message = |run: &Range<u64>| {
            let slots: Vec<u64> = run.clone().map(|slot| slot * slot).collect();
            encode(7, vec![run.start as u8], &slots)
        };
        let slots: Vec<_> = runs
            .iter()
            .map(|run| run.start as usize..run.end as usize)
            .collect();
        let messages: Vec<_> = runs.iter().map(message).collect();
        decode(&messages, &slots).unwrap()
    }

    #[test]
    fn messages_are_in_slot_order_however_slots_are_dealt() {
        let whole = gather(&[0, 4]);
        assert_eq!(whole.slots, [0, 1, 4, 9]);
        for bounds in [&[0, 3, 4], &[0, 0, 4]] {
            let dealt = gather(bounds);
            assert_eq!(
                (dealt.bit_sums, dealt.slots),
                (vec![7, 7], whole.slots.clone())
            );
            assert_eq!(dealt.notes, [vec![0], vec![bounds[1] as u8]]);
        }
    }

    #[test]
    fn a_message_that_is_cut_or_of_other_slots_names_its_rank() {
        let good = encode(0, Vec::new(), &[5_u64]);
        let mut short = good.clone();
        short.pop();
        let other = encode(0, Vec::new(), &[5_u64, 6]);
        for bad in [short, other, Vec::new()] {
            let decoded = decode::<u64>(&[good.clone(), bad], &[0..1, 1..2]);
            let error = decoded.unwrap_err();
            assert!(
                matches!(error, TrainError::Exchange { rank: 1, .. }),
                "{error}"
            );
        }
    }
}
