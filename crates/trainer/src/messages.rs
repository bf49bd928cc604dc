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

/// Reads all ranks' messages; `slots` says which slots each rank has, and `fault` what is wrong with a slot's message.
///
/// # Errors
/// `Exchange` for a message that cannot be read, has a fault, or has not one message for each of its slots.
pub(crate) fn decode<M: Message + Default>(
    messages: &[Vec<u8>],
    slots: &[Range<usize>],
    fault: impl Fn(&M) -> Option<String>,
) -> Result<Gathered<M>, TrainError> {
    let mut gathered = Gathered {
        bit_sums: Vec::new(),
        notes: Vec::new(),
        slots: Vec::new(),
    };
    for (rank, (message, own_slots)) in messages.iter().zip(slots).enumerate() {
        let garbled = |reason: String| TrainError::Exchange { rank, reason };
        let unread = |error: prost::DecodeError| garbled(error.to_string());
        let message = OfRank::decode(&message[..]).map_err(unread)?;
        if message.slots.len() != own_slots.len() {
            let (found, expected) = (message.slots.len(), own_slots.len());
            return Err(garbled(format!(
                "it is of {found} slots, not of {expected}"
            )));
        }
        gathered.bit_sums.push(message.bit_sum);
        gathered.notes.push(message.note);
        for (slot, message) in own_slots.clone().zip(message.slots) {
            let message = M::decode(&message[..]).map_err(unread)?;
            if let Some(fault) = fault(&message) {
                return Err(garbled(format!("slot {slot} has {fault}")));
            }
            gathered.slots.push(message);
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
        decode(&messages, &slots, |_| None).unwrap()
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
            let decoded = decode::<u64>(&[good.clone(), bad], &[0..1, 1..2], |_| None);
            let error = decoded.unwrap_err();
            assert!(
                matches!(error, TrainError::Exchange { rank: 1, .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn a_message_of_another_shape_names_its_rank_and_slot() {
        let messages = [
            encode(0, Vec::new(), &[5_u64]),
            encode(0, Vec::new(), &[6_u64, 7]),
        ];
        let fault = |message: &u64| (*message == 7).then(|| "seven".to_owned());
        let error = decode::<u64>(&messages, &[0..1, 1..3], fault).unwrap_err();
        let line = error.to_string();
        assert!(
            line.contains("rank 1 sent") && line.contains("slot 2 has seven"),
            "{line}"
        );
    }
}
