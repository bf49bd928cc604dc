//! No step is committed twice, and none after a later one, unless those from it on are damaged.

use super::Law;
use crate::observation::Observation;
use fratmae_control::Step;

#[derive(Default)]
pub(super) struct CommittedOnce {
    newest: Step,
}

impl Law for CommittedOnce {
    fn name(&self) -> &'static str {
        "committed once"
    }

    fn observe(&mut self, fact: &Observation) -> Result<(), String> {
        match fact {
            Observation::Damaged { newest } => {
                self.newest = *newest;
                Ok(())
            }
            Observation::Committed { step } if *step <= self.newest => {
                Err(format!("step {step} is committed after {}", self.newest))
            }
            Observation::Committed { step } => {
                self.newest = *step;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
