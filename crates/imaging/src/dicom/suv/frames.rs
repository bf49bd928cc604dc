//! Owns what the frames of a series say: when each was acquired, and which start of the scan that leads to.

use super::PetHeader;
use super::zone::by_scanner;
use crate::dicom::clock::{DAY, Moment, day_of, seconds_of};

/// The starts that the frames of one series lead to differ by no more, in seconds.
const FRAMES_AGREE: f64 = 2.0;

/// A slice, and when it was acquired.
#[derive(Clone, Copy)]
pub(super) struct Acquired<'a> {
    pub(super) moment: Moment,
    pub(super) slice: &'a PetHeader,
}

/// The acquisitions of a series.
pub(super) struct Acquisitions<'a> {
    /// The earliest first, and at least one.
    slices: Vec<Acquired<'a>>,
    /// Whether a date of the header led to their day.
    pub(super) dated: bool,
}

/// The start that the frames of a series lead to.
pub(super) struct FrameStart {
    pub(super) moment: Moment,
    /// The start if FrameReferenceTime counts to the start of each frame, and nothing showed that it does.
    pub(super) otherwise: Moment,
    /// How many moments of acquisition led there.
    pub(super) beds: usize,
}

impl<'a> Acquisitions<'a> {
    /// Reads when the slices were acquired; nothing where none says so.
    ///
    /// # Errors
    /// They were acquired days apart.
    pub(super) fn of(slices: &'a [PetHeader]) -> Result<Option<Self>, String> {
        let Some(anchor) = slices.iter().find_map(|slice| acquired(slice, None)) else {
            return Ok(None);
        };
        // Those with a date of their own come first: the others lie near them.
        let dated = slices.iter().find_map(dated_acquisition);
        let anchor = dated.unwrap_or(anchor);
        let acquired = |slice| {
            let moment = acquired(slice, Some(anchor))?;
            Some(Acquired { moment, slice })
        };
        let mut found = Self {
            slices: slices.iter().filter_map(acquired).collect(),
            dated: dated.is_some() || slices[0].series_date.as_deref().and_then(day_of).is_some(),
        };
        found.sort();
        let span = found.span();
        if span >= DAY {
            return Err(format!(
                "its slices were acquired {:.0} days apart: give one scan",
                span / DAY
            ));
        }
        if span > DAY / 2.0 {
            // Past midnight, under the date of the evening: which date that is stays open.
            let last = found.slices[found.slices.len() - 1].moment;
            for slice in &mut found.slices {
                slice.moment = last.nearest_at(slice.moment.time_of_day());
            }
            found.dated = false;
            found.sort();
        }
        Ok(Some(found))
    }

    fn sort(&mut self) {
        self.slices
            .sort_by(|one, other| one.moment.since(other.moment).total_cmp(&0.0));
    }

    /// Gives the earliest.
    pub(super) fn first(&self) -> Acquired<'a> {
        self.slices[0]
    }

    /// Says whether so many slices say when they were acquired.
    pub(super) fn is_of(&self, slices: usize) -> bool {
        self.slices.len() == slices
    }

    /// Gives the seconds from the earliest to the latest.
    pub(super) fn span(&self) -> f64 {
        let last = self.slices[self.slices.len() - 1];
        last.moment.since(self.first().moment)
    }

    /// Works back from every frame to the start of the scan, by QIBA's formula; nothing where a frame does not say
    /// enough, or where they lead to different starts.
    pub(super) fn start(&self, half_life: f64) -> Option<FrameStart> {
        let frames = self.slices.iter().map(|slice| Frame::of(slice, half_life));
        let frames: Vec<Frame> = frames.collect::<Option<_>>()?;
        // A scanner that does not know writes 0 everywhere.
        frames.iter().find(|frame| frame.reference > 0.0)?;
        let from_start = frames.iter().any(|frame| frame.counts_from_frame_start());
        let starts = frames.iter().map(|frame| frame.scan_start(from_start));
        let starts: Vec<Moment> = starts.collect();
        let apart = |start: &Moment| start.since(starts[0]).abs();
        if starts.iter().any(|start| apart(start) > FRAMES_AGREE) {
            return None;
        }
        let otherwise = frames.first()?.scan_start(true);
        let later = |pair: &&[Acquired<'_>]| pair[1].moment.since(pair[0].moment) > FRAMES_AGREE;
        Some(FrameStart {
            moment: starts[0],
            otherwise,
            beds: 1 + self.slices.windows(2).filter(later).count(),
        })
    }
}

/// One frame, in seconds.
struct Frame {
    acquired: Moment,
    /// From its start to the moment at which activity is what its counts average to.
    average: f64,
    reference: f64,
    /// For how long its decay was corrected, as DecayFactor says.
    corrected: Option<f64>,
}

impl Frame {
    fn of(acquired: &Acquired<'_>, half_life: f64) -> Option<Self> {
        let Acquired { moment, slice } = acquired;
        let factor = slice.decay_factor.filter(|&factor| factor > 1.0);
        Some(Self {
            acquired: *moment,
            average: average_count_time(slice.frame_duration? / 1000.0, half_life)?,
            reference: slice.frame_reference.filter(|&time| time >= 0.0)? / 1000.0,
            corrected: factor.map(|factor| factor.log2() * half_life),
        })
    }

    /// FrameReferenceTime is where counts average; GE counts it to the start of the frame, which shows where it is too
    /// small for the other, or where decay was corrected for longer.
    fn counts_from_frame_start(&self) -> bool {
        let off = |time: f64| move |corrected: f64| (corrected - time).abs();
        let longer = self.corrected.is_some_and(|corrected| {
            off(self.reference + self.average)(corrected) < off(self.reference)(corrected)
        });
        longer || self.reference + FRAMES_AGREE < self.average
    }

    fn scan_start(&self, from_start: bool) -> Moment {
        let within = if from_start { 0.0 } else { self.average };
        self.acquired.later(within - self.reference)
    }
}

/// Gives the seconds from the start of a frame to the moment at which the activity is the mean of the frame.
pub(super) fn average_count_time(duration: f64, half_life: f64) -> Option<f64> {
    let decay = duration * std::f64::consts::LN_2 / half_life;
    match decay {
        decay if decay.is_nan() || decay <= 0.0 => None,
        // The formula loses its digits here.
        decay if decay < 1e-5 => Some(duration / 2.0),
        decay => Some((decay / -(-decay).exp_m1()).ln() / decay * duration),
    }
}

/// Reads when a slice was acquired, where its own date is known.
fn dated_acquisition(slice: &PetHeader) -> Option<Moment> {
    match (&slice.acquisition_date, &slice.acquisition_time) {
        (Some(date), Some(time)) => Moment::of(date, time),
        (_, None) => by_scanner(slice, slice.acquisition_date_time.as_deref()?),
        (None, Some(_)) => None,
    }
}

/// Reads when a slice was acquired; without a date of its own near `anchor`, else on the series' date, else on any.
fn acquired(slice: &PetHeader, anchor: Option<Moment>) -> Option<Moment> {
    let of_time = || {
        let time = seconds_of(slice.acquisition_time.as_deref()?)?;
        let day = || slice.series_date.as_deref().and_then(day_of).unwrap_or(0);
        let series = slice.series_time.as_deref().and_then(seconds_of);
        let anchor = anchor.or(series.map(|series| Moment::at(day(), series)));
        Some(anchor.map_or_else(|| Moment::at(day(), time), |anchor| anchor.nearest_at(time)))
    };
    dated_acquisition(slice).or_else(of_time)
}
