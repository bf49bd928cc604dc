//! A generation never begins from an older state than a member holds or a checkpoint keeps.

use super::Law;
use crate::observation::Observation;

pub(super) struct NewestState;

impl Law for NewestState {
    fn name(&self) -> &'static str {
        "newest state"
    }

    fn observe(&mut self, fact: &Observation) -> Result<(), String> {
        match fact {
            Observation::Begun {
                generation,
                step,
                newest,
                ..
            } if step < newest => Err(format!(
                "generation {generation} begins at step {step} although step {newest} is there"
            )),
            _ => Ok(()),
        }
    }
}
