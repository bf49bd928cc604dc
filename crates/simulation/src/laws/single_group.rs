//! A process is in one group at a time: once a generation begins, its members apply no step of an older one.

use super::Law;
use crate::observation::Observation;
use fratmae_control::Generation;
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct SingleGroup {
    newest: BTreeMap<u64, Generation>,
}

impl Law for SingleGroup {
    fn name(&self) -> &'static str {
        "single group"
    }

    fn observe(&mut self, fact: &Observation) -> Result<(), String> {
        match fact {
            Observation::Begun {
                generation,
                members,
                ..
            } => {
                let begun = members.iter().map(|member| (*member, *generation));
                self.newest.extend(begun);
                Ok(())
            }
            Observation::Applied {
                generation,
                process,
                step,
                ..
            } if self.newest.get(process) > Some(generation) => Err(format!(
                "step {step} is applied in generation {generation} by a member of a newer one"
            )),
            _ => Ok(()),
        }
    }
}
