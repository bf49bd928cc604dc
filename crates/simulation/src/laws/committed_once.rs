//! No step is committed twice, and none after a later one.

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
        let Observation::Committed { step } = fact else {
            return Ok(());
        };
        if *step <= self.newest {
            return Err(format!("step {step} is committed after {}", self.newest));
        }
        self.newest = *step;
        Ok(())
    }
}
