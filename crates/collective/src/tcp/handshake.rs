//! The messages with which two ranks recognise each other on a fresh connection.
//!
//! Owns the layout of hello, answer and confirmation, and the decision on a hello. It moves no bytes.
//! The one that dials says hello; the one that accepts answers; only the dialler's confirmation makes it a peer, so a
//! connection given up half way never counts.
//!
//! What the members of a generation alone know is never sent: each side shows that it knows it, by a tag over what both
//! have said. Both have drawn a number, so nothing that was said on another connection serves on this one.

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::frame::{u32_at, u64_at};
use super::seal::{KEY, LineKeys, Sealing};
use crate::{Membership, Refusal};

/// The bytes of a drawn number.
pub(super) const DRAWN: usize = 32;
/// The bytes of a tag.
const TAG: usize = 32;

/// The bytes of a hello: magic, version, generation, rank, world, the rank dialled, sealing, drawn number, tag.
pub(super) const HELLO: usize = 32 + DRAWN + TAG;

/// The bytes of an answer: magic, code, generation, drawn number, tag.
pub(super) const ANSWER: usize = 16 + DRAWN + TAG;

const HELLO_MAGIC: u32 = u32::from_le_bytes(*b"FMhi");
const ANSWER_MAGIC: u32 = u32::from_le_bytes(*b"FMre");
const VERSION: u32 = 2;

/// What a rank says of itself.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// What the members alone know.
    pub(super) key: hmac::Key,
    pub(super) generation: u64,
    pub(super) rank: usize,
    pub(super) world: usize,
    pub(super) sealing: Sealing,
}

/// What the accepting rank makes of a hello.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HelloOutcome {
    Welcome(usize),
    Refuse(Refusal),
    /// It does not speak this protocol and gets no answer.
    NotOurs,
}

/// The answer to a hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Welcome,
    Refuse(Refusal),
}

/// A hello and the welcome to it: what the two sides of a connection agree on.
#[derive(Debug, Clone)]
pub(super) struct Agreement {
    pub(super) hello: [u8; HELLO],
    pub(super) welcome: [u8; ANSWER],
}

/// Whether whoever has connected speaks this protocol.
pub(super) fn is_hello(hello: &[u8; HELLO]) -> bool {
    (u32_at(hello, 0), u32_at(hello, 4)) == (HELLO_MAGIC, VERSION)
}

/// Draws a number that nobody can guess; none if the system has no randomness.
pub(super) fn draw() -> Option<[u8; DRAWN]> {
    let mut drawn = [0; DRAWN];
    SystemRandom::new().fill(&mut drawn).ok()?;
    Some(drawn)
}

/// What is shown to be known by knowing a key.
fn key_of(run: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, run.as_bytes())
}

impl Identity {
    pub(super) fn of(membership: &Membership, sealing: Sealing) -> Self {
        let Membership {
            run,
            generation,
            rank,
            ..
        } = membership;
        Self {
            key: key_of(run),
            generation: *generation,
            rank: *rank,
            world: membership.world_size(),
            sealing,
        }
    }

    /// Lays the hello to rank `peer` out.
    pub(super) fn hello(&self, peer: usize, drawn: &[u8; DRAWN]) -> [u8; HELLO] {
        let mut bytes = [0; HELLO];
        let numbers = [self.rank, self.world, peer];
        bytes[..4].copy_from_slice(&HELLO_MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.generation.to_le_bytes());
        for (place, number) in bytes[16..28].chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&(number as u32).to_le_bytes());
        }
        bytes[28..32].copy_from_slice(&self.sealing.code().to_le_bytes());
        bytes[32..32 + DRAWN].copy_from_slice(drawn);
        let tag = self.tag(b"hello", &[&bytes[..HELLO - TAG]]);
        bytes[HELLO - TAG..].copy_from_slice(tag.as_ref());
        bytes
    }

    /// Decides on the hello of whoever has connected; ranks above this one are to dial.
    pub(super) fn judge(&self, hello: &[u8; HELLO]) -> HelloOutcome {
        if !is_hello(hello) {
            return HelloOutcome::NotOurs;
        }
        let (said, tag) = hello.split_at(HELLO - TAG);
        let (generation, theirs) = (u64_at(hello, 8), self.generation);
        if !self.is_tag(b"hello", &[said], tag) {
            HelloOutcome::Refuse(Refusal::OtherRun)
        } else if generation < theirs {
            HelloOutcome::Refuse(Refusal::Stale { theirs })
        } else if generation > theirs {
            HelloOutcome::Refuse(Refusal::Early { theirs })
        } else {
            self.judge_place(hello)
        }
    }

    fn judge_place(&self, hello: &[u8; HELLO]) -> HelloOutcome {
        let number = |at| u32_at(hello, at) as usize;
        let (rank, world, dialled) = (number(16), number(20), number(24));
        let is_alike = world == self.world && u32_at(hello, 28) == self.sealing.code();
        if is_alike && dialled == self.rank && self.rank < rank && rank < world {
            HelloOutcome::Welcome(rank)
        } else {
            HelloOutcome::Refuse(Refusal::OtherPlace)
        }
    }

    /// Lays the welcome to a hello out.
    pub(super) fn welcome(&self, hello: &[u8; HELLO], drawn: &[u8; DRAWN]) -> [u8; ANSWER] {
        let mut bytes = self.answer(1);
        bytes[16..16 + DRAWN].copy_from_slice(drawn);
        self.sign(bytes, b"welcome", hello)
    }

    /// Lays a refusal out. It shows nothing: whoever is refused may know another key.
    pub(super) fn refuse(&self, refusal: Refusal) -> [u8; ANSWER] {
        self.answer(match refusal {
            Refusal::Stale { .. } => 3,
            Refusal::Early { .. } => 4,
            Refusal::OtherRun => 5,
            Refusal::OtherPlace => 6,
        })
    }

    /// Lays the confirmation of a welcome out.
    pub(super) fn confirm(&self, agreement: &Agreement) -> [u8; ANSWER] {
        self.sign(self.answer(2), b"confirm", &agreement.all())
    }

    /// Whether the dialler has confirmed what was agreed on.
    pub(super) fn is_confirmed(&self, agreement: &Agreement, bytes: &[u8; ANSWER]) -> bool {
        let (said, tag) = bytes.split_at(ANSWER - TAG);
        said == &self.answer(2)[..ANSWER - TAG]
            && self.is_tag(b"confirm", &[&agreement.all(), said], tag)
    }

    /// Reads the answer to a hello; none if it is not one, welcomes to another generation, or does not know the key.
    pub(super) fn read_answer(&self, hello: &[u8; HELLO], bytes: &[u8; ANSWER]) -> Option<Answer> {
        let theirs = u64_at(bytes, 8);
        let (said, tag) = bytes.split_at(ANSWER - TAG);
        match (u32_at(bytes, 0), u32_at(bytes, 4)) {
            (ANSWER_MAGIC, 1) => {
                let is_agreed = theirs == self.generation;
                let is_member = self.is_tag(b"welcome", &[hello, said], tag);
                (is_agreed && is_member).then_some(Answer::Welcome)
            }
            (ANSWER_MAGIC, 3) => Some(Answer::Refuse(Refusal::Stale { theirs })),
            (ANSWER_MAGIC, 4) => Some(Answer::Refuse(Refusal::Early { theirs })),
            (ANSWER_MAGIC, 5) => Some(Answer::Refuse(Refusal::OtherRun)),
            (ANSWER_MAGIC, 6) => Some(Answer::Refuse(Refusal::OtherPlace)),
            _ => None,
        }
    }

    /// The keys of a connection, for the rank that dialled it or the one that accepted it.
    pub(super) fn keys(&self, agreement: &Agreement, has_dialled: bool) -> LineKeys {
        let key = |label: &[u8]| -> [u8; KEY] {
            let tag = self.tag(label, &[&agreement.all()]);
            let mut key = [0; KEY];
            key.copy_from_slice(tag.as_ref());
            key
        };
        let (dialler, acceptor) = (key(b"from the dialler"), key(b"from the acceptor"));
        match has_dialled {
            true => LineKeys {
                out: dialler,
                into: acceptor,
            },
            false => LineKeys {
                out: acceptor,
                into: dialler,
            },
        }
    }

    fn answer(&self, code: u32) -> [u8; ANSWER] {
        let mut bytes = [0; ANSWER];
        bytes[..4].copy_from_slice(&ANSWER_MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&code.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.generation.to_le_bytes());
        bytes
    }

    fn sign(&self, mut bytes: [u8; ANSWER], label: &[u8], before: &[u8]) -> [u8; ANSWER] {
        let tag = self.tag(label, &[before, &bytes[..ANSWER - TAG]]);
        bytes[ANSWER - TAG..].copy_from_slice(tag.as_ref());
        bytes
    }

    /// Labels have different lengths or letters and what follows a fixed length each: no two texts are alike.
    fn tag(&self, label: &[u8], parts: &[&[u8]]) -> hmac::Tag {
        hmac::sign(&self.key, &text(label, parts))
    }

    fn is_tag(&self, label: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
        hmac::verify(&self.key, &text(label, parts), tag).is_ok()
    }
}

fn text(label: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut text = label.to_vec();
    text.push(0);
    parts.iter().for_each(|part| text.extend_from_slice(part));
    text
}

impl Agreement {
    fn all(&self) -> Vec<u8> {
        [&self.hello[..], &self.welcome[..]].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWN_NUMBER: [u8; DRAWN] = [9; DRAWN];

    fn identity(generation: u64, rank: usize) -> Identity {
        Identity {
            key: key_of("run-7"),
            generation,
            rank,
            world: 4,
            sealing: Sealing::Encrypted,
        }
    }

    fn hello(identity: &Identity, peer: usize) -> [u8; HELLO] {
        identity.hello(peer, &DRAWN_NUMBER)
    }

    #[test]
    fn a_higher_rank_of_the_same_generation_is_welcome() {
        let outcome = identity(5, 1).judge(&hello(&identity(5, 3), 1));
        assert_eq!(outcome, HelloOutcome::Welcome(3));
    }

    #[test]
    fn other_generations_runs_and_places_are_refused() {
        let me = identity(5, 1);
        let verdict = |theirs: Identity, dialled| match me.judge(&hello(&theirs, dialled)) {
            HelloOutcome::Refuse(refusal) => refusal,
            other => panic!("{other:?}"),
        };
        assert_eq!(verdict(identity(4, 3), 1), Refusal::Stale { theirs: 5 });
        assert_eq!(verdict(identity(6, 3), 1), Refusal::Early { theirs: 5 });
        for run in ["run-70", "run-", ""] {
            let key = key_of(run);
            let other = Identity {
                key,
                ..identity(5, 3)
            };
            assert_eq!(verdict(other, 1), Refusal::OtherRun, "{run}");
        }
        let larger = Identity {
            world: 5,
            ..identity(5, 3)
        };
        let open = Identity {
            sealing: Sealing::Plain,
            ..identity(5, 3)
        };
        for (theirs, dialled) in [
            (larger, 1),
            (open, 1),
            (identity(5, 3), 2),
            (identity(5, 1), 1),
            (identity(5, 4), 1),
        ] {
            assert_eq!(verdict(theirs, dialled), Refusal::OtherPlace);
        }
    }

    #[test]
    fn bytes_that_are_no_hello_are_not_ours_and_a_changed_one_is_nobodys() {
        let me = identity(5, 1);
        assert_eq!(me.judge(&[0; HELLO]), HelloOutcome::NotOurs);
        assert_eq!(me.judge(&[0xff; HELLO]), HelloOutcome::NotOurs);
        let sound = hello(&identity(5, 3), 1);
        for at in 8..HELLO {
            let mut changed = sound;
            changed[at] ^= 1;
            let refused = HelloOutcome::Refuse(Refusal::OtherRun);
            assert_eq!(me.judge(&changed), refused, "{at}");
        }
    }

    #[test]
    fn refusals_are_read_as_they_were_given() {
        let (me, them) = (identity(5, 1), identity(5, 3));
        let hello = hello(&them, 1);
        for refusal in [
            Refusal::Stale { theirs: 5 },
            Refusal::Early { theirs: 5 },
            Refusal::OtherRun,
            Refusal::OtherPlace,
        ] {
            let read = them.read_answer(&hello, &me.refuse(refusal));
            assert_eq!(read, Some(Answer::Refuse(refusal)));
        }
        assert_eq!(them.read_answer(&hello, &[0; ANSWER]), None);
    }

    #[test]
    fn both_sides_show_that_they_know_the_key_and_come_to_the_same_keys() {
        let (me, them) = (identity(5, 1), identity(5, 3));
        let hello = hello(&them, 1);
        let welcome = me.welcome(&hello, &[4; DRAWN]);
        assert_eq!(them.read_answer(&hello, &welcome), Some(Answer::Welcome));
        let agreement = Agreement { hello, welcome };
        assert!(me.is_confirmed(&agreement, &them.confirm(&agreement)));
        let (dialler, acceptor) = (them.keys(&agreement, true), me.keys(&agreement, false));
        assert_eq!((dialler.out, dialler.into), (acceptor.into, acceptor.out));
        assert_ne!(dialler.out, dialler.into);
    }

    #[test]
    fn what_was_said_on_another_connection_or_without_the_key_is_worth_nothing() {
        let (me, them) = (identity(5, 1), identity(5, 3));
        let hello = hello(&them, 1);
        let agreed = |drawn| Agreement {
            hello,
            welcome: me.welcome(&hello, &[drawn; DRAWN]),
        };
        let (first, second) = (agreed(1), agreed(2));
        assert!(!me.is_confirmed(&second, &them.confirm(&first)));
        let outsider = Identity {
            key: key_of("another"),
            ..identity(5, 1)
        };
        assert!(!me.is_confirmed(&first, &outsider.confirm(&first)));
        let welcome = outsider.welcome(&hello, &[1; DRAWN]);
        assert_eq!(them.read_answer(&hello, &welcome), None);
        let later = identity(6, 1).welcome(&hello, &[1; DRAWN]);
        assert_eq!(them.read_answer(&hello, &later), None);
    }
}
