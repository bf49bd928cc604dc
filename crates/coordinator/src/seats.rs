//! Whose a seat is: each comes with a secret, and the journal keeps its digest, so that this coordinator and every later
//! one know a member that comes back from anybody else.

use crate::secret::{Secret, digest};
use fratmae_checkpoint::{Entry, Record};
use fratmae_protocol::pb;
use std::collections::BTreeMap;

/// The seats of all generations of a run.
#[derive(Default)]
pub(crate) struct Seats {
    /// Digests of their secrets, in rank order.
    digests: BTreeMap<u64, Vec<String>>,
    /// The newest generation's secrets.
    secrets: (u64, Vec<Secret>),
}

impl Seats {
    /// Those that a journal tells of.
    pub(crate) fn of(entries: &[Entry]) -> Self {
        let recorded = entries.iter().filter_map(|entry| match &entry.record {
            Record::Generation {
                generation, seats, ..
            } => Some((*generation, seats.clone())),
            _ => None,
        });
        Self {
            digests: recorded.collect(),
            ..Self::default()
        }
    }

    /// Draws the secrets of a new generation; gives what the journal keeps of them.
    pub(crate) fn deal(&mut self, generation: u64, members: usize) -> Vec<String> {
        let secrets: Vec<_> = (0..members).map(|_| Secret::draw()).collect();
        let kept = secrets.iter().map(|secret| digest(&secret.to_bytes()));
        let kept: Vec<_> = kept.collect();
        self.digests.insert(generation, kept.clone());
        self.secrets = (generation, secrets);
        kept
    }

    /// The secret that goes with a seat of the newest generation.
    pub(crate) fn secret(&self, generation: u64, rank: u32) -> Vec<u8> {
        let (newest, secrets) = &self.secrets;
        let secret = secrets.get(rank as usize).filter(|_| *newest == generation);
        secret.map(|secret| secret.to_bytes()).unwrap_or_default()
    }

    /// Whether a worker had the seat that it names.
    pub(crate) fn is_own(&self, place: &pb::Place) -> bool {
        let seats = self.digests.get(&place.generation);
        let kept = seats.and_then(|seats| seats.get(place.rank as usize));
        kept.is_some_and(|kept| *kept == digest(&place.secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(generation: u64, rank: u32, secret: Vec<u8>) -> pb::Place {
        pb::Place {
            generation,
            rank,
            secret,
        }
    }

    #[test]
    fn only_who_was_given_a_seat_has_its_secret_and_the_next_coordinator_knows_it() {
        let mut seats = Seats::default();
        let kept = seats.deal(4, 2);
        let record = |generation, seats: Vec<String>| Entry {
            number: 0,
            fence: 1,
            nonce: "n".to_owned(),
            record: Record::Generation {
                generation,
                members: vec!["a".to_owned(); seats.len()],
                seats,
                kinds: Vec::new(),
            },
        };
        let next = Seats::of(&[record(3, Vec::new()), record(4, kept.clone())]);
        let secret = seats.secret(4, 1);
        for seats in [&seats, &next] {
            assert!(seats.is_own(&place(4, 1, secret.clone())));
            for (generation, rank) in [(4, 0), (4, 2), (3, 1), (5, 1), (4, u32::MAX)] {
                assert!(!seats.is_own(&place(generation, rank, secret.clone())));
            }
            for other in [Vec::new(), vec![0; 32], kept[1].clone().into_bytes()] {
                assert!(!seats.is_own(&place(4, 1, other)));
            }
        }
        assert_eq!(
            next.secret(4, 1),
            Vec::<u8>::new(),
            "nobody can read it back"
        );
    }
}
