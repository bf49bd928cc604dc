//! A group that a coordinator finds is made of those who had its seats, whoever says that it had one.

use super::Law;
use crate::observation::Observation;

pub(super) struct OwnSeats;

impl Law for OwnSeats {
    fn name(&self) -> &'static str {
        "own seats"
    }

    fn observe(&mut self, fact: &Observation) -> Result<(), String> {
        match fact {
            Observation::Adopted {
                place,
                had_seat: false,
            } => Err(format!("worker {place} has a seat that it was never given")),
            _ => Ok(()),
        }
    }
}
