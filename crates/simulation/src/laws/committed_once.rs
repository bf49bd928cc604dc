//! No checkpoint is committed twice, and no step after a later one, unless those from it on are damaged.

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
            Observation::Committed { checkpoint } => {
                let step = checkpoint.step;
                let newest = std::mem::replace(&mut self.newest, step);
                if !self.committed.insert(*checkpoint) {
                    return Err(format!("{checkpoint} is committed again"));
                }
                match step <= newest {
                    true => Err(format!("step {step} is committed after {newest}")),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
