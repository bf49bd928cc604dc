//! The messages with which two ranks recognise each other on a fresh connection.
//!
//! Owns the layout of hello, answer and confirmation, and the decision on a hello. It moves no bytes.
//! The one that dials says hello; the one that accepts answers; only the dialler's confirmation makes it a peer, so a
//! connection given up half way never counts.

use super::frame::{u32_at, u64_at};
use crate::membership::RUN_LIMIT;
use crate::{Membership, Refusal};

/// The bytes of a hello: magic, version, generation, rank, world, the rank dialled, length of the run id, run id.
pub(super) const HELLO: usize = 32 + RUN_LIMIT;

/// The bytes of an answer: magic, code, generation.
pub(super) const ANSWER: usize = 16;

const HELLO_MAGIC: u32 = u32::from_le_bytes(*b"FMhi");
const ANSWER_MAGIC: u32 = u32::from_le_bytes(*b"FMre");
const VERSION: u32 = 1;

/// What a rank says of itself.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) run: String,
    pub(super) generation: u64,
    pub(super) rank: usize,
    pub(super) world: usize,
}

/// What the accepting rank makes of a hello.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HelloOutcome {
    Welcome(usize),
    Refuse(Refusal),
    /// It does not speak this protocol and gets no answer.
    NotOurs,
}

/// The answer to a hello, and the dialler's confirmation of a welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandshakeMessage {
    Welcome,
    Confirm,
    Refuse(Refusal),
}

/// Whether whoever has connected speaks this protocol.
pub(super) fn is_hello(hello: &[u8; HELLO]) -> bool {
    let run = u32_at(hello, 28) as usize;
    (u32_at(hello, 0), u32_at(hello, 4)) == (HELLO_MAGIC, VERSION) && run <= RUN_LIMIT
}

impl Identity {
    pub(super) fn of(membership: &Membership) -> Self {
        let Membership {
            run,
            generation,
            rank,
            ..
        } = membership;
        Self {
            run: run.clone(),
            generation: *generation,
            rank: *rank,
            world: membership.world_size(),
        }
    }

    /// Lays the hello to rank `peer` out.
    pub(super) fn hello(&self, peer: usize) -> [u8; HELLO] {
        let mut bytes = [0; HELLO];
        let numbers = [self.rank, self.world, peer, self.run.len()];
        bytes[..4].copy_from_slice(&HELLO_MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.generation.to_le_bytes());
        for (place, number) in bytes[16..32].chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&(number as u32).to_le_bytes());
        }
        bytes[32..32 + self.run.len()].copy_from_slice(self.run.as_bytes());
        bytes
    }

    /// Decides on the hello of whoever has connected; ranks above this one are to dial.
    pub(super) fn judge(&self, hello: &[u8; HELLO]) -> HelloOutcome {
        let number = |at| u32_at(hello, at) as usize;
        if !is_hello(hello) {
            return HelloOutcome::NotOurs;
        }
        let (generation, theirs) = (u64_at(hello, 8), self.generation);
        if hello[32..32 + number(28)] != *self.run.as_bytes() {
            HelloOutcome::Refuse(Refusal::OtherRun)
        } else if generation < theirs {
            HelloOutcome::Refuse(Refusal::Stale { theirs })
        } else if generation > theirs {
            HelloOutcome::Refuse(Refusal::Early { theirs })
        } else {
            self.judge_place(number(16), number(20), number(24))
        }
    }

    fn judge_place(&self, rank: usize, world: usize, dialled: usize) -> HelloOutcome {
        if world == self.world && dialled == self.rank && self.rank < rank && rank < world {
            HelloOutcome::Welcome(rank)
        } else {
            HelloOutcome::Refuse(Refusal::OtherPlace)
        }
    }

    /// Lays an answer out.
    pub(super) fn answer(&self, message: HandshakeMessage) -> [u8; ANSWER] {
        let code: u32 = match message {
            HandshakeMessage::Welcome => 1,
            HandshakeMessage::Confirm => 2,
            HandshakeMessage::Refuse(Refusal::Stale { .. }) => 3,
            HandshakeMessage::Refuse(Refusal::Early { .. }) => 4,
            HandshakeMessage::Refuse(Refusal::OtherRun) => 5,
            HandshakeMessage::Refuse(Refusal::OtherPlace) => 6,
        };
        let mut bytes = [0; ANSWER];
        bytes[..4].copy_from_slice(&ANSWER_MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&code.to_le_bytes());
        bytes[8..].copy_from_slice(&self.generation.to_le_bytes());
        bytes
    }

    /// Reads an answer; none if it is not one, or welcomes to another generation.
    pub(super) fn read_answer(&self, bytes: &[u8; ANSWER]) -> Option<HandshakeMessage> {
        let theirs = u64_at(bytes, 8);
        let agreed = theirs == self.generation;
        match (u32_at(bytes, 0), u32_at(bytes, 4)) {
            (ANSWER_MAGIC, 1) if agreed => Some(HandshakeMessage::Welcome),
            (ANSWER_MAGIC, 2) if agreed => Some(HandshakeMessage::Confirm),
            (ANSWER_MAGIC, 3) => Some(HandshakeMessage::Refuse(Refusal::Stale { theirs })),
            (ANSWER_MAGIC, 4) => Some(HandshakeMessage::Refuse(Refusal::Early { theirs })),
            (ANSWER_MAGIC, 5) => Some(HandshakeMessage::Refuse(Refusal::OtherRun)),
            (ANSWER_MAGIC, 6) => Some(HandshakeMessage::Refuse(Refusal::OtherPlace)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(generation: u64, rank: usize) -> Identity {
        Identity {
            run: "run-7".to_owned(),
            generation,
            rank,
            world: 4,
        }
    }

    #[test]
    fn a_higher_rank_of_the_same_generation_is_welcome() {
        let outcome = identity(5, 1).judge(&identity(5, 3).hello(1));
        assert_eq!(outcome, HelloOutcome::Welcome(3));
    }

    #[test]
    fn other_generations_runs_and_places_are_refused() {
        let me = identity(5, 1);
        let verdict = |hello| match me.judge(&hello) {
            HelloOutcome::Refuse(refusal) => refusal,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            verdict(identity(4, 3).hello(1)),
            Refusal::Stale { theirs: 5 }
        );
        assert_eq!(
            verdict(identity(6, 3).hello(1)),
            Refusal::Early { theirs: 5 }
        );
        assert_eq!(
            verdict(
                Identity {
                    run: "run-70".to_owned(),
                    ..identity(5, 3)
                }
                .hello(1)
            ),
            Refusal::OtherRun
        );
        assert_eq!(
            verdict(
                Identity {
                    run: String::new(),
                    ..identity(5, 3)
                }
                .hello(1)
            ),
            Refusal::OtherRun
        );
        assert_eq!(
            verdict(
                Identity {
                    world: 5,
                    ..identity(5, 3)
                }
                .hello(1)
            ),
            Refusal::OtherPlace
        );
        assert_eq!(verdict(identity(5, 3).hello(2)), Refusal::OtherPlace);
        assert_eq!(verdict(identity(5, 1).hello(1)), Refusal::OtherPlace);
        assert_eq!(verdict(identity(5, 4).hello(1)), Refusal::OtherPlace);
    }

    #[test]
    fn bytes_that_are_no_hello_are_not_ours() {
        let me = identity(5, 1);
        assert_eq!(me.judge(&[0; HELLO]), HelloOutcome::NotOurs);
        assert_eq!(me.judge(&[0xff; HELLO]), HelloOutcome::NotOurs);
        let mut long_run = identity(5, 3).hello(1);
        long_run[28..32].copy_from_slice(&257_u32.to_le_bytes());
        assert_eq!(me.judge(&long_run), HelloOutcome::NotOurs);
    }

    #[test]
    fn answers_are_read_as_they_were_given() {
        let me = identity(5, 1);
        let read = |message| identity(5, 3).read_answer(&me.answer(message));
        for refusal in [
            Refusal::Stale { theirs: 5 },
            Refusal::Early { theirs: 5 },
            Refusal::OtherRun,
            Refusal::OtherPlace,
        ] {
            assert_eq!(
                read(HandshakeMessage::Refuse(refusal)),
                Some(HandshakeMessage::Refuse(refusal))
            );
        }
        assert_eq!(
            read(HandshakeMessage::Welcome),
            Some(HandshakeMessage::Welcome)
        );
        assert_eq!(
            read(HandshakeMessage::Confirm),
            Some(HandshakeMessage::Confirm)
        );
        assert_eq!(
            identity(6, 3).read_answer(&me.answer(HandshakeMessage::Welcome)),
            None
        );
        assert_eq!(me.read_answer(&[0; ANSWER]), None);
    }
}
