//! A batch that moved no weight, as the journal keeps it and people see it. That it is bad, and what to do, is the
//! workers' finding.

use fratmae_protocol::pb;
use serde::{Deserialize, Serialize};

/// What was not finite, and who is to blame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadBatch {
    pub what: String,
    /// The slots to blame; none if no slot by itself is.
    pub slots: Vec<BadSlot>,
}

/// A slot and the cases in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadSlot {
    /// Its number in the step.
    pub slot: u32,
    pub cases: Vec<String>,
}

impl From<pb::BadBatch> for BadBatch {
    fn from(batch: pb::BadBatch) -> Self {
        let slot = |slot: pb::BadSlot| BadSlot {
            slot: slot.slot,
            cases: slot.cases,
        };
        Self {
            what: batch.what,
            slots: batch.slots.into_iter().map(slot).collect(),
        }
    }
}

impl std::fmt::Display for BadBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the {} is not finite, and no weight moved; to blame: ",
            self.what
        )?;
        if self.slots.is_empty() {
            return f.write_str("no slot by itself");
        }
        for (number, BadSlot { slot, cases }) in self.slots.iter().enumerate() {
            let comma = if number == 0 { "" } else { "; " };
            write!(f, "{comma}slot {slot} with {}", cases.join(", "))?;
        }
        Ok(())
    }
}
