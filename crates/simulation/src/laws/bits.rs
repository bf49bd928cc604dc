//! Whoever applies a step, and after whatever happened, comes to the state of an undisturbed run.

use super::Law;
use crate::observation::Observation;
use crate::worker::State;

/// The states of an undisturbed run, as far as they have been asked for.
pub(super) struct Bits {
    slots: u32,
    undisturbed: Vec<State>,
}

impl Bits {
    pub(super) fn new(slots: u32) -> Self {
        Self {
            slots,
            undisturbed: vec![State::initial()],
        }
    }
}

impl Law for Bits {
    fn name(&self) -> &'static str {
        "bits"
    }

    fn observe(&mut self, fact: &Observation) -> Result<(), String> {
        let Observation::Applied { step, digest, .. } = fact else {
            return Ok(());
        };
        let place = usize::try_from(step.get()).unwrap_or(usize::MAX);
        while self.undisturbed.len() <= place {
            let next = self
                .undisturbed
                .last()
                .map(|state| state.next(0..self.slots));
            self.undisturbed.extend(next);
        }
        if self.undisturbed[place].digest != *digest {
            return Err(format!(
                "step {step} came to another state than undisturbed"
            ));
        }
        Ok(())
    }
}
