//! What a rank sends to the others along with its slots: what it was asked for, and which samples it trains on.

use crate::error::WorkerError;
use fratmae_protocol::pb;
use fratmae_trainer::TrainError;
use prost::Message;

/// What one rank was asked for and all do together after the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupRequest {
    /// To stop for good.
    pub(crate) is_draining: bool,
    /// To leave the group for the next generation.
    pub(crate) is_leaving: bool,
    /// To store a checkpoint.
    pub(crate) is_saving: bool,
}

impl GroupRequest {
    /// The whole message of a rank that has nothing else to send.
    pub(crate) fn encode(self) -> [u8; 1] {
        [u8::from(self.is_draining)
            | u8::from(self.is_leaving) << 1
            | u8::from(self.is_saving) << 2]
    }

    /// What any of the ranks with such messages, in their order, was asked for.
    ///
    /// # Errors
    /// `Exchange` for what is no such message.
    pub(crate) fn of_all(messages: &[Vec<u8>]) -> Result<Self, WorkerError> {
        let mut request = Self::default();
        for (rank, message) in messages.iter().enumerate() {
            let [byte] = message[..] else {
                let reason = format!("a request of {} bytes", message.len());
                return Err(TrainError::Exchange { rank, reason }.into());
            };
            request.is_draining |= byte & 1 != 0;
            request.is_leaving |= byte & 2 != 0;
            request.is_saving |= byte & 4 != 0;
        }
        Ok(request)
    }
}

/// What one rank sends to all.
#[derive(Clone, PartialEq, Message)]
struct Note {
    #[prost(bytes = "vec", tag = "1")]
    request: Vec<u8>,
    /// Positions and cases of the samples that it loaded.
    #[prost(message, optional, tag = "2")]
    trained: Option<pb::Trained>,
}

/// Writes what a rank was asked for, and what it trains on.
pub(crate) fn encode(request: GroupRequest, trained: pb::Trained) -> Vec<u8> {
    let note = Note {
        request: request.encode().to_vec(),
        trained: Some(trained),
    };
    note.encode_to_vec()
}

/// What any rank was asked for, and what all train on, in slot order.
///
/// # Errors
/// `Exchange` for a note that cannot be read.
pub(crate) fn decode(notes: &[Vec<u8>]) -> Result<(GroupRequest, pb::Trained), WorkerError> {
    let mut all = pb::Trained::default();
    let mut request = Vec::new();
    for (rank, note) in notes.iter().enumerate() {
        let unread = |error: prost::DecodeError| TrainError::Exchange {
            rank,
            reason: error.to_string(),
        };
        let note = Note::decode(&note[..]).map_err(unread)?;
        request.push(note.request);
        let trained = note.trained.unwrap_or_default();
        all.positions.extend(trained.positions);
        all.cases.extend(trained.cases);
    }
    Ok((GroupRequest::of_all(&request)?, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(is_draining: bool, is_leaving: bool, is_saving: bool) -> GroupRequest {
        GroupRequest {
            is_draining,
            is_leaving,
            is_saving,
        }
    }

    fn trained(positions: &[u64]) -> pb::Trained {
        pb::Trained {
            positions: positions.to_vec(),
            cases: positions
                .iter()
                .map(|position| *position as u32 % 3)
                .collect(),
        }
    }

    #[test]
    fn what_one_rank_is_asked_for_all_do() {
        let nothing = request(false, false, false);
        let late = [nothing, request(true, false, true)];
        let messages = late.map(|request| request.encode().to_vec());
        let of_all = |messages| GroupRequest::of_all(messages).unwrap();
        assert_eq!(of_all(&messages), request(true, false, true));
        assert_eq!(of_all(&messages[..1]), nothing);
        let leaving = encode(request(false, true, false), trained(&[]));
        let notes = [encode(late[1], trained(&[])), leaving];
        assert_eq!(decode(&notes).unwrap().0, request(true, true, true));
    }

    #[test]
    fn a_slot_that_two_ranks_trained_on_is_recorded_twice_and_one_that_nobody_did_not_at_all() {
        let notes = [&[0, 1, 2, 3][..], &[2, 3, 6, 7]];
        let notes = notes.map(|positions| encode(GroupRequest::default(), trained(positions)));
        let (_, all) = decode(&notes).unwrap();
        assert_eq!(all, trained(&[0, 1, 2, 3, 2, 3, 6, 7]));
    }

    #[test]
    fn a_note_that_cannot_be_read_names_its_rank() {
        let good = encode(GroupRequest::default(), trained(&[]));
        for bad in [vec![255], Vec::new()] {
            let error = decode(&[good.clone(), bad]).unwrap_err();
            assert!(error.to_string().contains("rank 1 sent"), "{error}");
        }
        let error = GroupRequest::of_all(&[vec![0], vec![0, 0]]).unwrap_err();
        assert!(error.to_string().contains("rank 1 sent"), "{error}");
    }
}
