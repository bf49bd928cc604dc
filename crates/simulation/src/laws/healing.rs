//! Once nothing is broken any more, the run finishes.

use super::Law;
use crate::observation::Observation;

pub(super) struct Healing;

impl Law for Healing {
    fn name(&self) -> &'static str {
        "healing"
    }

    fn observe(&mut self, fact: &Observation) -> Result<(), String> {
        match fact {
            Observation::Over {
                trouble: Some(trouble),
            } => Err(trouble.clone()),
            _ => Ok(()),
        }
    }
}
