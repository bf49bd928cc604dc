//! A manifest names the part of every rank of its generation as it lies on the store, and nothing else.

use super::Law;
use crate::observation::Observation;

pub(super) struct WholeCheckpoints;

impl Law for WholeCheckpoints {
    fn name(&self) -> &'static str {
        "whole checkpoints"
    }

    fn observe(&mut self, fact: &Observation) -> Result<(), String> {
        match fact {
            Observation::Manifest { step, wrong_parts } if !wrong_parts.is_empty() => Err(format!(
                "the manifest of step {step} is wrong about the parts {wrong_parts:?}"
            )),
            _ => Ok(()),
        }
    }
}
