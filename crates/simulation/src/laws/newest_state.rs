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
                source,
                newest,
                ..
            } if source.step() < *newest => Err(format!(
                "generation {generation} begins at step {} although step {newest} is there",
                source.step()
            )),
            _ => Ok(()),
        }
    }
}
