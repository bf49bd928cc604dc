//! Owns the start of a scan: which of the times of a series is meant.
//!
//! The series' own time is the start, unless it was written later or changed. Then the frames tell.

use super::frames::{Acquired, Acquisitions, FrameStart};
use super::zone::{ROUNDED, by_scanner};
use super::{PetHeader, Scaling, shown};
use crate::dicom::clock::{Moment, seconds_of};
use crate::dicom::codes::*;

/// A series may be written this long after its first frame began, in seconds: some times are whole seconds.
const WHOLE_SECOND: f64 = 1.0;
/// No scan begins so long before the first of its frames that are there, in seconds.
const LONGEST_SCAN: f64 = 3.0 * 3600.0;
/// Series and frames may put the start so far apart, in seconds or in parts of a half-life, and still agree.
const AGREE: f64 = 30.0;
const AGREE_HALF_LIVES: f64 = 0.005;
/// The part of SUV that a difference which a single frame cannot settle may make.
const SMALL: f64 = 0.01;

/// A moment, and whether a date of the header led to its day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    pub(super) moment: Moment,
    pub(super) dated: bool,
}

impl Scaling<'_> {
    /// Finds when the scan began, to which activity is corrected where DecayCorrection is START.
    pub(super) fn scan_start(&mut self, half_life: f64) -> Result<Seen, String> {
        let Some(acquired) = Acquisitions::of(self.slices)? else {
            return self.start_of_maker(None).ok_or_else(|| {
                format!("AcquisitionDate {ACQUISITION_DATE} and AcquisitionTime {ACQUISITION_TIME} do not say when the scan began")
            });
        };
        let first = acquired.first();
        let frames = acquired.start(half_life);
        let moment = match (self.series_start(first.moment), frames) {
            (Some(series), Some(frames)) => {
                // Some scanners write the start of the scan as the acquisition of every frame.
                let of_scan = acquired.span() == 0.0 && first.moment.since(series) <= AGREE;
                match of_scan || self.agree(series, &frames, first, half_life)? {
                    true => self.series(series),
                    false => self.frames(&frames, first),
                }
            }
            (Some(series), None) => self.series(series),
            (None, frames) => match (self.start_of_maker(Some(first.moment)), frames) {
                (Some(start), _) => start.moment,
                (None, Some(frames)) => self.frames(&frames, first),
                (None, None) => {
                    self.note_acquisition(first.slice);
                    first.moment
                }
            },
        };
        let dated = acquired.dated;
        Ok(Seen { moment, dated })
    }

    /// Reads the series' time, if the scan can have begun then.
    fn series_start(&self, first: Moment) -> Option<Moment> {
        let text = self.header.series_time.as_deref()?;
        let time = seconds_of(text)?;
        let series = match self.header.series_date.as_deref() {
            Some(date) => Moment::of(date, text)?,
            None => first.nearest_at(time),
        };
        // Midnight to the second stands where a time was taken out.
        let is_taken_out = time == 0.0 && first.since(series) > ROUNDED;
        (!is_taken_out && can_begin(series, first)).then_some(series)
    }

    /// Says whether the frames put the start where the series does. Several of them are believed against it.
    fn agree(
        &self,
        series: Moment,
        frames: &FrameStart,
        first: Acquired<'_>,
        half_life: f64,
    ) -> Result<bool, String> {
        let apart = [frames.moment, frames.otherwise].map(|start| series.since(start).abs());
        let apart = apart[0].min(apart[1]);
        if apart <= AGREE.min(AGREE_HALF_LIVES * half_life) {
            return Ok(true);
        }
        if frames.beds > 1 {
            return Ok(false);
        }
        let slice = first.slice;
        let duration = slice.frame_duration.unwrap_or_default() / 1000.0;
        if apart <= duration || (apart / half_life).exp2() - 1.0 <= SMALL {
            return Ok(true);
        }
        let text = |text: &Option<String>| shown(text.as_deref().unwrap_or_default());
        Err(format!(
            "its times differ: SeriesTime {SERIES_TIME} {} is not the start of the scan that AcquisitionTime {ACQUISITION_TIME} {} and FrameReferenceTime {FRAME_REFERENCE} {} ms lead to",
            text(&self.header.series_time),
            text(&slice.acquisition_time),
            slice.frame_reference.unwrap_or_default(),
        ))
    }

    fn series(&mut self, moment: Moment) -> Moment {
        let PetHeader {
            series_date,
            series_time,
            ..
        } = self.header.clone();
        self.note(SERIES_DATE, "SeriesDate", series_date.unwrap_or_default());
        self.note(SERIES_TIME, "SeriesTime", series_time.unwrap_or_default());
        moment
    }

    fn frames(&mut self, frames: &FrameStart, first: Acquired<'_>) -> Moment {
        let slice = first.slice;
        self.note_acquisition(slice);
        let reference = slice.frame_reference.unwrap_or_default();
        self.note(FRAME_REFERENCE, "FrameReferenceTime", reference);
        let duration = slice.frame_duration.unwrap_or_default();
        self.note(FRAME_DURATION, "ActualFrameDuration", duration);
        frames.moment
    }

    /// Notes when a slice was acquired.
    pub(super) fn note_acquisition(&mut self, slice: &PetHeader) {
        if let (None, Some(joined)) = (&slice.acquisition_time, &slice.acquisition_date_time) {
            return self.note(ACQUISITION_DATE_TIME, "AcquisitionDateTime", joined);
        }
        let value = |text: &Option<String>| text.clone().unwrap_or_default();
        let date = value(&slice.acquisition_date);
        self.note(ACQUISITION_DATE, "AcquisitionDate", date);
        let time = value(&slice.acquisition_time);
        self.note(ACQUISITION_TIME, "AcquisitionTime", time);
    }

    /// The start as GE writes it, the earliest of all slices. Whoever changes dates may leave its own as it was: the day
    /// is that of the first acquisition.
    fn start_of_maker(&mut self, first: Option<Moment>) -> Option<Seen> {
        let starts = self.slices.iter().filter_map(|slice| {
            let text = slice.ge_scan_start.as_ref()?;
            let start = by_scanner(slice, text)?;
            let near = first.map(|first| first.nearest_at(start.time_of_day()));
            Some((near.unwrap_or(start), text))
        });
        let (moment, text) = starts.min_by(|(a, _), (b, _)| a.since(*b).total_cmp(&0.0))?;
        if first.is_some_and(|first| !can_begin(moment, first)) {
            return None;
        }
        self.note(Tag(0x0009, 0x100D), "PETScanDateTime (GE)", text);
        let dated = true;
        Some(Seen { moment, dated })
    }
}

/// Says whether a scan can begin then whose first frame was acquired so.
fn can_begin(start: Moment, first: Moment) -> bool {
    (-WHOLE_SECOND..=LONGEST_SCAN).contains(&first.since(start))
}
