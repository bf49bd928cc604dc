//! Owns how long the dose decayed between its injection and the moment that activity is given for.

use super::frames::{Acquisitions, average_count_time};
use super::start::Seen;
use super::{PetHeader, Scaling, shown};
use crate::dicom::clock::{DAY, Moment};
use crate::dicom::codes::*;
use crate::dicom::suv::zone::by_scanner;

/// Nobody waits longer than this for a scan, in seconds, or than three half-lives if those are longer.
const LONGEST_WAIT: f64 = 6.0 * 3600.0;
/// After so many half-lives nothing is left to see.
const MOST_HALF_LIVES: f64 = 12.0;

/// How long after an injection a scan may be, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Waits {
    pub(super) half_life: f64,
    pub(super) longest: f64,
}

impl Waits {
    pub(super) fn of(half_life: f64) -> Self {
        let most = MOST_HALF_LIVES * half_life;
        Self {
            half_life,
            longest: LONGEST_WAIT.max(3.0 * half_life).min(most),
        }
    }

    /// Says whether times of day tell the wait: no scan can be a day later.
    pub(super) fn tell_days(self) -> bool {
        self.longest < DAY
    }

    /// Says whether a scan can come so long after the injection.
    pub(super) fn hold(self, wait: f64) -> bool {
        (0.0..=self.longest).contains(&wait)
    }

    /// Gives the wait, if it can be one.
    pub(super) fn check(self, wait: f64) -> Result<f64, String> {
        if wait < 0.0 {
            return Err(format!(
                "it was scanned {:.0} s before the injection",
                -wait
            ));
        }
        if wait > self.longest {
            return Err(format!(
                "it was scanned {wait:.0} s after the injection, later than {:.0} s: dose, times or half-life cannot be right",
                self.longest
            ));
        }
        Ok(wait)
    }
}

impl Scaling<'_> {
    /// Finds the moment of a single bed at which activity is what its counts average to. Without decay correction
    /// each bed would need a factor of its own: only one is taken.
    pub(super) fn middle_of_frame(&mut self, half_life: f64) -> Result<Seen, String> {
        let header = self.header;
        let acquired = Acquisitions::of(self.slices)?
            .ok_or("it is not corrected for decay and has no time of acquisition")?;
        let same = |slice: &PetHeader| slice.frame_duration == header.frame_duration;
        let one_bed = acquired.is_of(self.slices.len())
            && acquired.span() == 0.0
            && self.slices.iter().all(same);
        let middle = header.frame_duration.filter(|_| one_bed);
        let Some((frame, middle)) = middle.and_then(|frame| {
            let middle = average_count_time(frame / 1000.0, half_life)?;
            Some((frame, middle))
        }) else {
            return Err(format!(
                "it is not corrected for decay, and its slices have several times of acquisition or none, or no one ActualFrameDuration {FRAME_DURATION}"
            ));
        };
        self.note_acquisition(header);
        self.note(FRAME_DURATION, "ActualFrameDuration", frame);
        Ok(Seen {
            moment: acquired.first().moment.later(middle),
            dated: acquired.dated,
        })
    }

    /// Reads the moment that an Enhanced PET names for its activity.
    pub(super) fn decay_reference(&mut self, text: Option<&String>) -> Result<Seen, String> {
        let text = text.ok_or_else(|| {
            format!("DecayCorrectionDateTime {DECAY_REFERENCE} is missing, so that it is not known for when its activity is given")
        })?;
        let moment: Moment = by_scanner(self.header, text).ok_or_else(|| {
            format!(
                "DecayCorrectionDateTime {DECAY_REFERENCE} reads {}, which is no date and time",
                shown(text)
            )
        })?;
        self.note(DECAY_REFERENCE, "DecayCorrectionDateTime", text);
        let dated = true;
        Ok(Seen { moment, dated })
    }
}
