//! Generations only rise, and nobody hears of one before it is durable.

use super::Law;
use crate::observation::Observation;
use fratmae_control::Generation;

#[derive(Default)]
pub(super) struct DurableGenerations {
    newest: Generation,
}

impl Law for DurableGenerations {
    fn name(&self) -> &'static str {
        "durable generations"
    }

    fn observe(&mut self, fact: &Observation) -> Result<(), String> {
        let newest = self.newest;
        match fact {
            Observation::Recorded { generation } if *generation <= newest => Err(format!(
                "generation {generation} is recorded after {newest}"
            )),
            Observation::Recorded { generation } => {
                self.newest = *generation;
                Ok(())
            }
            Observation::Announced { generation } if *generation > newest => Err(format!(
                "a worker hears of generation {generation}, durable is {newest}"
            )),
            _ => Ok(()),
        }
    }
}
