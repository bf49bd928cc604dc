//! What a rank sends to the others: along with its slots what it was asked for and which samples it trains on, and after a
//! step what it was asked for since and how long the step took it.

use crate::error::WorkerError;
use fratmae_protocol::pb;
use fratmae_telemetry::StepTime;
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
    fn encode(self) -> [u8; 1] {
        [u8::from(self.is_draining)
            | u8::from(self.is_leaving) << 1
            | u8::from(self.is_saving) << 2]
    }

    /// What any of the ranks with such messages, in their order, was asked for.
    ///
    /// # Errors
    /// `Exchange` for what is no such message.
    fn of_all(messages: &[Vec<u8>]) -> Result<Self, WorkerError> {
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
    /// How long the step took it.
    #[prost(message, optional, tag = "3")]
    time: Option<pb::RankTime>,
    /// The context of its step's span, where that is traced.
    #[prost(string, tag = "4")]
    trace: String,
}

/// What all ranks sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Notes {
    /// What any rank was asked for.
    pub(crate) request: GroupRequest,
    /// What all train on, in slot order.
    pub(crate) trained: pb::Trained,
    /// How long the step took each, in rank order.
    pub(crate) times: Vec<pb::RankTime>,
    /// The contexts of their steps' spans, in rank order.
    pub(crate) traces: Vec<String>,
}

/// Writes what a rank was asked for, what it trains on, and the context of its step's span.
pub(crate) fn encode(request: GroupRequest, trained: pb::Trained, trace: &str) -> Vec<u8> {
    let note = Note {
        request: request.encode().to_vec(),
        trained: Some(trained),
        time: None,
        trace: trace.to_owned(),
    };
    note.encode_to_vec()
}

/// Writes what a rank was asked for, and how long the step took it.
pub(crate) fn encode_after_step(request: GroupRequest, time: StepTime) -> Vec<u8> {
    let time = pb::RankTime {
        accounts: time.accounts.values().to_vec(),
        calls: time.calls,
    };
    let note = Note {
        request: request.encode().to_vec(),
        trained: None,
        time: Some(time),
        trace: String::new(),
    };
    note.encode_to_vec()
}

/// Reads all ranks' notes, in their order.
///
/// # Errors
/// `Exchange` for a note that cannot be read.
pub(crate) fn decode(notes: &[Vec<u8>]) -> Result<Notes, WorkerError> {
    let mut all = Notes::default();
    let mut request = Vec::new();
    for (rank, note) in notes.iter().enumerate() {
        let unread = |error: prost::DecodeError| TrainError::Exchange {
            rank,
            reason: error.to_string(),
        };
        let note = Note::decode(&note[..]).map_err(unread)?;
        request.push(note.request);
        let trained = note.trained.unwrap_or_default();
        all.trained.positions.extend(trained.positions);
        all.trained.cases.extend(trained.cases);
        all.times.push(note.time.unwrap_or_default());
        all.traces.push(note.trace);
    }
    all.request = GroupRequest::of_all(&request)?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_telemetry::Accounts;

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
        let leaving = encode(request(false, true, false), trained(&[]), "leaves");
        let notes = [encode(late[1], trained(&[]), ""), leaving];
        let all = decode(&notes).unwrap();
        assert_eq!(all.request, request(true, true, true));
        assert_eq!(all.traces, ["", "leaves"]);
    }

    #[test]
    fn after_a_step_all_know_how_long_it_took_each() {
        let time = |call| StepTime {
            accounts: Accounts::of(&[0, 0, 0, call + 1]),
            calls: vec![call, 7],
        };
        let notes = [5, 3].map(|call| encode_after_step(GroupRequest::default(), time(call)));
        let all = decode(&notes).unwrap();
        let calls: Vec<_> = all.times.iter().map(|time| &time.calls[..]).collect();
        assert_eq!(calls, [[5, 7], [3, 7]]);
        assert_eq!(Accounts::of(&all.times[1].accounts).total(), 4);
    }

    #[test]
    fn a_slot_that_two_ranks_trained_on_is_recorded_twice_and_one_that_nobody_did_not_at_all() {
        let notes = [&[0, 1, 2, 3][..], &[2, 3, 6, 7]];
        let notes = notes.map(|positions| encode(GroupRequest::default(), trained(positions), ""));
        let all = decode(&notes).unwrap();
        assert_eq!(all.trained, trained(&[0, 1, 2, 3, 2, 3, 6, 7]));
    }

    #[test]
    fn a_note_that_cannot_be_read_names_its_rank() {
        let good = encode(GroupRequest::default(), trained(&[]), "");
        for bad in [vec![255], Vec::new()] {
            let error = decode(&[good.clone(), bad]).unwrap_err();
            assert!(error.to_string().contains("rank 1 sent"), "{error}");
        }
        let error = GroupRequest::of_all(&[vec![0], vec![0, 0]]).unwrap_err();
        assert!(error.to_string().contains("rank 1 sent"), "{error}");
    }
}
