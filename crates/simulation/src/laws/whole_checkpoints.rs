//! A manifest names the part of every rank of its generation as it lies on the store, and nothing else; and no checkpoint
//! is lost of which no member lost a part.

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
            Observation::Lost {
                step,
                part,
                is_lost: false,
            } => Err(format!(
                "the checkpoint of step {step} is lost for part {part}, which no member lost"
            )),
            _ => Ok(()),
        }
    }
}
