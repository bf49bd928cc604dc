//! A manifest names the parts of every rank of its generation.

use super::Law;
use crate::observation::Observation;

pub(super) struct WholeCheckpoints;

impl Law for WholeCheckpoints {
    fn name(&self) -> &'static str {
        "whole checkpoints"
    }

    fn observe(&mut self, fact: &Observation) -> Result<(), String> {
        match fact {
            Observation::Manifest { step, parts, world } if parts < world => Err(format!(
                "the checkpoint of step {step} has the parts of {parts} of {world} ranks"
            )),
            _ => Ok(()),
        }
    }
}
