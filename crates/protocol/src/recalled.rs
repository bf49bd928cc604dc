//! Figures that are told again: dealt to messages that a stream takes, and as bytes between ranks.

use crate::error::ProtocolError;
use crate::pb;
use prost::Message as _;

/// Bytes of a message's figures: half of what a coordinator takes.
const MOST: usize = 256 << 10;

impl pb::Recalled {
    /// Deals the figures of steps to as few messages as a stream takes; a message has one step at least.
    #[must_use]
    pub fn messages(generation: u64, steps: Vec<pb::StepFigures>) -> Vec<Self> {
        let (mut messages, mut bytes) = (Vec::<Self>::new(), 0);
        for step in steps {
            let size = step.encoded_len();
            bytes += size;
            match messages.last_mut().filter(|_| bytes <= MOST) {
                Some(message) => message.steps.push(step),
                None => {
                    let steps = vec![step];
                    messages.push(Self { generation, steps });
                    bytes = size;
                }
            }
        }
        messages
    }

    /// As bytes, for a peer.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// From a peer's bytes.
    ///
    /// # Errors
    /// [`ProtocolError::Bytes`] for what [`Self::to_bytes`] did not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProtocolError> {
        Self::decode(bytes).map_err(|error| ProtocolError::Bytes {
            reason: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(count: u64, phase: &str) -> Vec<pb::StepFigures> {
        let phases = vec![pb::PhaseSeconds {
            phase: phase.to_owned(),
            seconds: 1.0,
        }];
        let figures = Some(pb::Figures {
            phases,
            ..Default::default()
        });
        let step = |step| pb::StepFigures {
            step,
            figures: figures.clone(),
        };
        (1..=count).map(step).collect()
    }

    #[test]
    fn every_step_is_told_once_in_order_and_no_message_is_too_long() {
        let all = steps(300, &"a".repeat(10_000));
        let messages = pb::Recalled::messages(4, all.clone());
        assert!(
            messages.len() >= 12 && messages.len() < 16,
            "{}",
            messages.len()
        );
        for message in &messages {
            assert!(message.generation == 4 && message.encoded_len() < 2 * MOST);
        }
        let steps: Vec<_> = messages.into_iter().flat_map(|it| it.steps).collect();
        assert_eq!(steps, all);
    }

    #[test]
    fn few_steps_are_one_message_none_are_none_and_a_long_one_is_one_by_itself() {
        let count = |steps| pb::Recalled::messages(1, steps).len();
        assert_eq!((count(steps(9, "a")), count(Vec::new())), (1, 0));
        assert_eq!(count(steps(2, &"a".repeat(MOST + 1))), 2);
    }

    #[test]
    fn bytes_come_back_and_others_are_refused() {
        let [message] = &pb::Recalled::messages(1, steps(3, "a"))[..] else {
            panic!("one message")
        };
        assert_eq!(
            pb::Recalled::from_bytes(&message.to_bytes()).as_ref(),
            Ok(message)
        );
        let refused = pb::Recalled::from_bytes(&[0xff; 3])
            .unwrap_err()
            .to_string();
        assert!(refused.contains("cannot be read"), "{refused}");
    }
}
