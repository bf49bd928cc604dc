//! Nobody is given up who is up, gets on, is not cut off, and is heard; and nobody is blamed for the coordinator's own
//! absence.

use super::Law;
use crate::observation::Observation;

/// Whoever was heard so short a time ago is not silent, in milliseconds: half of the least silence that is allowed.
const HEARD: u64 = 1_500;
/// Whoever was undisturbed for so long has left every group that it was asked to leave: a little less than the time that
/// it has, as clocks differ.
const UNDISTURBED: u64 = 3_700;

/// Whoever looks for a coordinator that was away has found it after so long: a little less than the time that it waits.
const BACK: u64 = 1_300;

pub(super) struct SoundVerdicts;

impl Law for SoundVerdicts {
    fn name(&self) -> &'static str {
        "sound verdicts"
    }

    fn observe(&mut self, fact: &Observation) -> Result<(), String> {
        match fact {
            Observation::StruckOff {
                place,
                reason,
                silence,
                undisturbed,
            } if *silence < HEARD && *undisturbed > UNDISTURBED => Err(format!(
                "worker {place} is given up ({reason}), though heard {silence} ms ago and undisturbed for {undisturbed} ms"
            )),
            Observation::Blamed {
                place,
                reason,
                back_for: Some(back_for),
            } if *back_for < BACK => Err(format!(
                "worker {place} is blamed ({reason}) for the absence of its coordinator, which is back for {back_for} ms"
            )),
            _ => Ok(()),
        }
    }
}
