//! An assignment on the wire.

use crate::error::ProtocolError;
use crate::pb;
use fratmae_control::{Assignment, Generation, Rank, Seat, Slot, Source, Step};

impl From<Assignment> for pb::Begin {
    fn from(assignment: Assignment) -> Self {
        let seat = |seat: Seat| pb::Seat {
            address: seat.address,
            first_slot: seat.slots.start.get(),
            end_slot: seat.slots.end.get(),
        };
        let checkpoint = match assignment.source {
            Source::Initial => None,
            Source::Checkpoint { step, generation } => Some(pb::Checkpoint {
                step: step.get(),
                generation: generation.get(),
            }),
        };
        Self {
            generation: assignment.generation.get(),
            rank: assignment.rank.get(),
            seats: assignment.seats.into_iter().map(seat).collect(),
            checkpoint,
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
        let source = match begin.checkpoint {
            None => Source::Initial,
            Some(checkpoint) => Source::Checkpoint {
                step: Step::new(checkpoint.step),
                generation: Generation::new(checkpoint.generation),
            },
        };
        Ok(Self {
            generation: Generation::new(begin.generation),
            rank: Rank::new(begin.rank),
            seats: seats(begin.seats)?,
            source,
        })
    }
}

/// Seats must cover the slots from 0 on without a gap.
fn seats(seats: Vec<pb::Seat>) -> Result<Vec<Seat>, ProtocolError> {
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
        };
        Assignment {
            generation: Generation::new(4),
            rank: Rank::new(1),
            seats: vec![seat("a:1", 0, 2), seat("b:2", 2, 3)],
            source,
        }
    }

    #[test]
    fn an_assignment_survives_the_wire() {
        let checkpoint = Source::Checkpoint {
            step: Step::new(9),
            generation: Generation::new(3),
        };
        for source in [Source::Initial, checkpoint] {
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
