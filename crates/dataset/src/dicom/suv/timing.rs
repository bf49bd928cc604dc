//! Owns the times of an injection and a scan: which of several is meant, and how long the dose decayed between them.

use super::{PetHeader, Scaling};
use crate::dicom::clock::Moment;
use crate::dicom::codes::*;

/// Nobody waits longer than this for a scan, in seconds, or than three half-lives if those are longer.
const LONGEST_WAIT: f64 = 6.0 * 3600.0;
/// After so many half-lives nothing is left to see.
const MOST_HALF_LIVES: f64 = 12.0;
/// With a half-life below this, a scan days after the injection cannot be: the dates were changed, the times not.
const SHORT_LIVED: f64 = 43_200.0;
/// Stands for a date that is not known.
const ANY_DATE: &str = "19700101";

impl Scaling<'_> {
    /// The earliest acquisition of all slices.
    fn first_acquisition(&self) -> Option<(Moment, &PetHeader)> {
        let moments = self
            .slices
            .iter()
            .filter_map(|slice| Some((slice.acquired()?, slice)));
        moments.min_by(|(a, _), (b, _)| a.since(*b).total_cmp(&0.0))
    }

    /// The series' time, unless the series was made after the first acquisition; then GE's, then the acquisition's.
    pub(super) fn scan_start(&mut self) -> Result<(Moment, f64), String> {
        let header = self.header;
        let acquisition = self
            .first_acquisition()
            .map(|(moment, slice)| (moment, slice.clone()));
        let series = joined(
            [&header.series_date, &header.acquisition_date],
            &header.series_time,
        );
        if let (Some(series), Some((first, _))) = (series, &acquisition)
            && first.since(series) >= 0.0
        {
            self.note(
                SERIES_DATE,
                "SeriesDate",
                header.series_date.clone().unwrap_or_default(),
            );
            self.note(
                SERIES_TIME,
                "SeriesTime",
                header.series_time.clone().unwrap_or_default(),
            );
            return Ok((series, 0.0));
        }
        let starts = self.slices.iter().filter_map(|slice| {
            let text = slice.ge_scan_start.as_ref()?;
            Some((Moment::of_joined(text)?, text))
        });
        if let Some((start, text)) = starts.min_by(|(a, _), (b, _)| a.since(*b).total_cmp(&0.0)) {
            self.note(Tag(0x0009, 0x100D), "PETScanDateTime (GE)", text);
            return Ok((start, 0.0));
        }
        let (first, slice) = acquisition.ok_or_else(|| {
            format!("AcquisitionDate {ACQUISITION_DATE} and AcquisitionTime {ACQUISITION_TIME} do not say when the scan began")
        })?;
        self.note_acquisition(&slice);
        Ok((first, 0.0))
    }

    fn note_acquisition(&mut self, slice: &PetHeader) {
        self.note(
            ACQUISITION_DATE,
            "AcquisitionDate",
            slice.acquisition_date.clone().unwrap_or_default(),
        );
        self.note(
            ACQUISITION_TIME,
            "AcquisitionTime",
            slice.acquisition_time.clone().unwrap_or_default(),
        );
    }

    /// Without decay correction each bed would need a factor of its own: only one bed is taken.
    pub(super) fn middle_of_frame(&mut self) -> Result<(Moment, f64), String> {
        let header = self.header;
        let start = header
            .acquired()
            .ok_or("it is not corrected for decay and has no time of acquisition")?;
        let bed = |slice: &PetHeader| (slice.acquired(), slice.frame_duration);
        let one_bed = self.slices.iter().all(|slice| bed(slice) == bed(header));
        let Some(frame) = header
            .frame_duration
            .filter(|&frame| frame >= 0.0 && one_bed)
        else {
            return Err(format!(
                "it is not corrected for decay, and its slices have several times of acquisition or none, or no one ActualFrameDuration {FRAME_DURATION}"
            ));
        };
        self.note_acquisition(header);
        self.note(FRAME_DURATION, "ActualFrameDuration", frame);
        Ok((start, frame / 2000.0))
    }

    /// Gives the seconds from injection to `seen`.
    pub(super) fn wait(&mut self, seen: Moment, half_life: f64) -> Result<f64, String> {
        let injected = self.injection(seen, half_life)?;
        let waited = seen.since(injected);
        if waited < 0.0 {
            return Err(format!(
                "it was scanned {:.0} s before the injection",
                -waited
            ));
        }
        let longest = LONGEST_WAIT
            .max(3.0 * half_life)
            .min(MOST_HALF_LIVES * half_life);
        if waited > longest {
            return Err(format!(
                "it was scanned {waited:.0} s after the injection, later than {longest:.0} s: dose, times or half-life cannot be right"
            ));
        }
        Ok(waited)
    }

    fn injection(&mut self, seen: Moment, half_life: f64) -> Result<Moment, String> {
        let header = self.header;
        if let Some(text) = &header.injection_date_time
            && let Some(injected) = Moment::of_joined(text)
        {
            self.note(
                INJECTION_DATE_TIME,
                "RadiopharmaceuticalStartDateTime",
                text,
            );
            let days = seen.day - injected.day;
            if days.abs() <= 1 {
                return Ok(injected);
            }
            if half_life > SHORT_LIVED {
                return Err(format!(
                    "injection and scan are {days} days apart with a half-life of {half_life} s: were the dates changed?"
                ));
            }
            return Ok(seen.last_at(injected));
        }
        let text = header.injection_time.as_deref().unwrap_or("missing");
        // Only the time of day is known; the date is the scan's.
        let injected = Moment::of(ANY_DATE, text).ok_or_else(|| {
            format!("the time of injection, {INJECTION_DATE_TIME} or {INJECTION_TIME}, is missing")
        })?;
        self.note(INJECTION_TIME, "RadiopharmaceuticalStartTime", text);
        Ok(seen.last_at(injected))
    }
}

/// Joins a time with the first date there is; where dates were taken out, all times are of one day.
pub(super) fn joined(dates: [&Option<String>; 2], time: &Option<String>) -> Option<Moment> {
    let date = dates.into_iter().flatten().next();
    Moment::of(date.map_or(ANY_DATE, String::as_str), time.as_deref()?)
}
