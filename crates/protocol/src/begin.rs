//! An assignment on the wire.

use crate::error::ProtocolError;
use crate::pb;
use crate::pb::begin::Source as Wire;
use fratmae_control::{Assignment, Generation, Rank, Seat, Slot, Source, Step};
use std::sync::Arc;

impl From<Assignment> for pb::Begin {
    fn from(assignment: Assignment) -> Self {
        let seat = |seat: &Seat| pb::Seat {
            address: seat.address.clone(),
            first_slot: seat.slots.start.get(),
            end_slot: seat.slots.end.get(),
            is_holder: seat.is_holder,
        };
        let source = match assignment.source {
            Source::Initial => None,
            Source::Checkpoint { step, generation } => Some(Wire::Checkpoint(pb::Checkpoint {
                step: step.get(),
                generation: generation.get(),
            })),
            Source::Peers { step } => Some(Wire::Peers(pb::Peers { step: step.get() })),
        };
        Self {
            generation: assignment.generation.get(),
            rank: assignment.rank.get(),
            seats: assignment.seats.iter().map(seat).collect(),
            source,
            committed: assignment.committed.get(),
            // Only the sender knows.
            figures_until: 0,
            secret: Vec::new(),
            mesh_key: String::new(),
            trace: String::new(),
        }
    }
}

impl TryFrom<pb::Begin> for Assignment {
    type Error = ProtocolError;

    fn try_from(begin: pb::Begin) -> Result<Self, ProtocolError> {
        if begin.rank as usize >= begin.seats.len() {
            return Err(ProtocolError::Rank {
                rank: begin.rank,
                seats: begin.seats.len(),
            });
        }
        let source = match begin.source {
            None => Source::Initial,
            Some(Wire::Peers(peers)) => Source::Peers {
                step: Step::new(peers.step),
            },
            Some(Wire::Checkpoint(checkpoint)) => Source::Checkpoint {
                step: Step::new(checkpoint.step),
                generation: Generation::new(checkpoint.generation),
            },
        };
        Ok(Self {
            generation: Generation::new(begin.generation),
            rank: Rank::new(begin.rank),
            seats: seats(begin.seats)?,
            source,
            committed: Step::new(begin.committed),
        })
    }
}

/// Seats must cover the slots from 0 on without a gap.
fn seats(seats: Vec<pb::Seat>) -> Result<Arc<[Seat]>, ProtocolError> {
    let mut next = 0;
    let check = |(rank, seat): (usize, pb::Seat)| {
        let (first, end) = (seat.first_slot, seat.end_slot);
        if first != next || end < first {
            return Err(ProtocolError::Seats { rank, first, end });
        }
        next = end;
        Ok(Seat {
            address: seat.address,
            slots: Slot::new(first)..Slot::new(end),
            is_holder: seat.is_holder,
        })
    };
    seats.into_iter().enumerate().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment(source: Source) -> Assignment {
        let seat = |address: &str, first, end| Seat {
            address: address.to_owned(),
            slots: Slot::new(first)..Slot::new(end),
            is_holder: first == 0,
        };
        Assignment {
            generation: Generation::new(4),
            rank: Rank::new(1),
            seats: [seat("a:1", 0, 2), seat("b:2", 2, 3)].into(),
            source,
            committed: Step::new(7),
        }
    }

    #[test]
    fn an_assignment_survives_the_wire() {
        let checkpoint = Source::Checkpoint {
            step: Step::new(9),
            generation: Generation::new(3),
        };
        let peers = Source::Peers { step: Step::new(8) };
        for source in [Source::Initial, checkpoint, peers] {
            let sent = assignment(source);
            assert_eq!(
                Assignment::try_from(pb::Begin::from(sent.clone())),
                Ok(sent)
            );
        }
    }

    #[test]
    fn seats_with_a_gap_are_refused() {
        let mut begin = pb::Begin::from(assignment(Source::Initial));
        begin.seats[1].first_slot = 1;
        assert_eq!(
            Assignment::try_from(begin),
            Err(ProtocolError::Seats {
                rank: 1,
                first: 1,
                end: 3
            })
        );
    }

    #[test]
    fn a_rank_without_a_seat_is_refused() {
        let mut begin = pb::Begin::from(assignment(Source::Initial));
        begin.rank = 2;
        assert_eq!(
            Assignment::try_from(begin),
            Err(ProtocolError::Rank { rank: 2, seats: 2 })
        );
    }
}
