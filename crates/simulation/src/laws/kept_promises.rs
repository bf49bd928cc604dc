//! Whoever asks for a checkpoint is told of one that is durable.

use super::Law;
use crate::observation::Observation;

pub(super) struct KeptPromises;

impl Law for KeptPromises {
    fn name(&self) -> &'static str {
        "kept promises"
    }

    fn observe(&mut self, fact: &Observation) -> Result<(), String> {
        match fact {
            Observation::Saved {
                step,
                is_durable: false,
            } => Err(format!(
                "a checkpoint of step {step} is told of and not durable"
            )),
            _ => Ok(()),
        }
    }
}
