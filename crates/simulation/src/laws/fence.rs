//! Once a coordinator has taken over, the journal takes in nothing of one before it.

use super::Law;
use crate::observation::Observation;

#[derive(Default)]
pub(super) struct Fence {
    newest: u64,
}

impl Law for Fence {
    fn name(&self) -> &'static str {
        "fence"
    }

    fn observe(&mut self, fact: &Observation) -> Result<(), String> {
        let Observation::Appended { fence } = fact else {
            return Ok(());
        };
        if *fence < self.newest {
            return Err(format!(
                "a record of fence {fence} comes after one of fence {}",
                self.newest
            ));
        }
        self.newest = *fence;
        Ok(())
    }
}
