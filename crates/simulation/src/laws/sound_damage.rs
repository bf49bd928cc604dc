//! A checkpoint is passed over only if it is damaged, whoever says that it is.

use super::Law;
use crate::observation::Observation;

pub(super) struct SoundDamage;

impl Law for SoundDamage {
    fn name(&self) -> &'static str {
        "sound damage"
    }

    fn observe(&mut self, fact: &Observation) -> Result<(), String> {
        match fact {
            Observation::PassedOver {
                checkpoint,
                is_damaged: false,
            } => Err(format!("{checkpoint} is passed over, though it is good")),
            _ => Ok(()),
        }
    }
}
