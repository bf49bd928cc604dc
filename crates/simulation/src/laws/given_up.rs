//! Nobody begins from a checkpoint that is given up, and never is the last one given up that was whole.

use super::Law;
use crate::observation::Observation;
use fratmae_control::{CheckpointId, Source};
use std::collections::BTreeSet;

#[derive(Default)]
pub(super) struct GivenUp {
    given_up: BTreeSet<CheckpointId>,
}

impl Law for GivenUp {
    fn name(&self) -> &'static str {
        "given up"
    }

    fn observe(&mut self, fact: &Observation) -> Result<(), String> {
        match fact {
            Observation::GivenUp { checkpoint, n_kept } => {
                self.given_up.insert(*checkpoint);
                match n_kept {
                    0 => Err(format!("{checkpoint} is given up, and none is kept")),
                    _ => Ok(()),
                }
            }
            Observation::Begun {
                generation,
                source:
                    Source::Checkpoint {
                        step,
                        generation: writer,
                    },
                ..
            } => {
                let checkpoint = CheckpointId {
                    step: *step,
                    generation: *writer,
                };
                match self.given_up.contains(&checkpoint) {
                    true => Err(format!(
                        "generation {generation} begins from {checkpoint}, which is given up"
                    )),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
