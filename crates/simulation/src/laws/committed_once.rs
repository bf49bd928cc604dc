//! No checkpoint is committed twice, and no step after it or a later one, unless those from it on are damaged.
//!
//! The manifest of a coordinator that has ended can come to the store late. Whoever takes the run over may find it beside
//! another one of the same step.

use super::Law;
use crate::observation::Observation;
use fratmae_control::{CheckpointId, Step};
use std::collections::BTreeSet;

#[derive(Default)]
pub(super) struct CommittedOnce {
    committed: BTreeSet<CheckpointId>,
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
            Observation::Committed {
                checkpoint,
                is_found,
            } => {
                let step = checkpoint.step;
                let newest = std::mem::replace(&mut self.newest, step);
                if !self.committed.insert(*checkpoint) {
                    return Err(format!("{checkpoint} is committed again"));
                }
                match step > newest || *is_found && step == newest {
                    true => Ok(()),
                    false => Err(format!("step {step} is committed after {newest}")),
                }
            }
            _ => Ok(()),
        }
    }
}
