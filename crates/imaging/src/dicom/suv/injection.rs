//! Owns the time of an injection: which of two elements is believed, and what a time of day without a date tells.
//!
//! A time that stands for one that was taken out, and two times that differ without a sign of which is right, give no
//! wait.

use super::start::Seen;
use super::timing::Waits;
use super::zone::{ROUNDED, injection_by_scanner};
use super::{PetHeader, Scaling, shown};
use crate::dicom::clock::{DAY, DateTime, Moment, date_alone, seconds_of};
use crate::dicom::codes::*;

/// What one element says of the injection.
#[derive(Debug, Clone, Copy, PartialEq)]
struct StatedTime {
    /// Seconds from the injection to the moment that was seen, whether they can be or not.
    wait: f64,
    time_of_day: f64,
    /// Stands where a time was taken out.
    placeholder: bool,
}

impl StatedTime {
    fn agrees(&self, other: &Self) -> bool {
        let apart = (self.time_of_day - other.time_of_day).rem_euclid(DAY);
        apart.min(DAY - apart) <= ROUNDED
    }
}

/// What both elements say, and what is written in them.
struct Injection<'a> {
    header: &'a PetHeader,
    seen: Seen,
    waits: Waits,
    /// The day of RadiopharmaceuticalStartDateTime.
    day: Option<i64>,
    joined: Option<StatedTime>,
}

impl Scaling<'_> {
    /// Gives the seconds from the injection to `seen`.
    pub(super) fn wait(&mut self, seen: Seen, half_life: f64) -> Result<f64, String> {
        let waits = Waits::of(half_life);
        let header = self.header;
        let injection = Injection::of(header, seen, waits)?;
        let time = injection.time();
        let (stated, of_joined) = match (injection.joined, time) {
            (Some(joined), Some(time)) if !joined.agrees(&time) => {
                match (joined.placeholder, time.placeholder) {
                    (false, true) => (joined, true),
                    (true, false) => (time, false),
                    _ => return Err(injection.disagreement()),
                }
            }
            (Some(joined), _) => (joined, true),
            (None, Some(time)) => (time, false),
            (None, None) => return Err(injection.lacking()),
        };
        let joined = header.injection_date_time.as_deref();
        if let Some(text) = joined.filter(|_| of_joined || injection.lends_day(stated)) {
            let name = "RadiopharmaceuticalStartDateTime";
            self.note(INJECTION_DATE_TIME, name, text);
            let is_zoned = DateTime::of(text).is_some_and(|joined| joined.offset.is_some());
            if let Some(zone) = header.time_zone.as_ref().filter(|_| is_zoned) {
                self.note(TIME_ZONE, "TimezoneOffsetFromUTC", zone);
            }
        }
        if let Some(text) = header.injection_time.as_deref().filter(|_| !of_joined) {
            self.note(INJECTION_TIME, "RadiopharmaceuticalStartTime", text);
        }
        if stated.placeholder {
            return Err(injection.placeholder());
        }
        waits.check(stated.wait)
    }
}

impl<'a> Injection<'a> {
    fn of(header: &'a PetHeader, seen: Seen, waits: Waits) -> Result<Self, String> {
        let text = header.injection_date_time.as_deref().unwrap_or_default();
        let moment = injection_by_scanner(header, text)?;
        let mut found = Self {
            header,
            seen,
            waits,
            day: moment.map(Moment::day).or(date_alone(text)),
            joined: None,
        };
        found.joined = moment.map(|moment| found.dated(moment)).transpose()?;
        Ok(found)
    }

    /// Reads a moment with its date. Where dates do not fit, as after dates were changed apart from each other, the
    /// time of day tells the wait of a short-lived nuclide.
    fn dated(&self, injected: Moment) -> Result<StatedTime, String> {
        let seen = self.seen.moment;
        let time_of_day = injected.time_of_day();
        let by_date = seen.since(injected);
        let by_time = seen.since(seen.last_at(time_of_day));
        let dates_fit = self.seen.dated && self.waits.hold(by_date);
        if !self.seen.dated && !self.waits.tell_days() {
            return Err(format!(
                "the date of the scan is not known (SeriesDate {SERIES_DATE}, AcquisitionDate {ACQUISITION_DATE}), and with a half-life of {} s the injection may be days before it",
                self.waits.half_life
            ));
        }
        let times_fit = self.waits.tell_days() && self.waits.hold(by_time);
        let of_one_day = self.seen.dated && by_date.abs() < DAY;
        let by_time_alone = !dates_fit && (times_fit || self.waits.tell_days() && !of_one_day);
        Ok(StatedTime {
            wait: if by_time_alone { by_time } else { by_date },
            time_of_day,
            placeholder: time_of_day == 0.0 || !dates_fit && self.is_new_year(),
        })
    }

    /// Says whether the date is one that is often put in the place of another.
    fn is_new_year(&self) -> bool {
        let text = self.header.injection_date_time.as_deref();
        text.is_some_and(|text| text.trim().get(4..8) == Some("0101"))
    }

    /// Reads RadiopharmaceuticalStartTime: on the day of the date-time, if that fits, else the last one before the
    /// scan, where that is the only one that can be.
    fn time(&self) -> Option<StatedTime> {
        let time_of_day = seconds_of(self.header.injection_time.as_deref()?)?;
        let seen = self.seen.moment;
        let on_day = self.on_day(time_of_day);
        let by_time = seen.since(seen.last_at(time_of_day));
        let stated = |wait| StatedTime {
            wait,
            time_of_day,
            placeholder: time_of_day == 0.0,
        };
        match on_day {
            Some(wait) => Some(stated(wait)),
            None => self.waits.tell_days().then(|| stated(by_time)),
        }
    }

    fn on_day(&self, time_of_day: f64) -> Option<f64> {
        let day = self.day.filter(|_| self.seen.dated)?;
        let wait = self.seen.moment.since(Moment::at(day, time_of_day));
        self.waits.hold(wait).then_some(wait)
    }

    /// Says whether what RadiopharmaceuticalStartTime tells rests on the day of the date-time.
    fn lends_day(&self, stated: StatedTime) -> bool {
        !self.waits.tell_days() && self.on_day(stated.time_of_day).is_some()
    }

    fn texts(&self) -> [String; 2] {
        let text = |text: &Option<String>| text.as_deref().map_or("missing".to_owned(), shown);
        [
            text(&self.header.injection_date_time),
            text(&self.header.injection_time),
        ]
    }

    fn disagreement(&self) -> String {
        let [joined, time] = self.texts();
        format!(
            "its two times of injection differ: RadiopharmaceuticalStartDateTime {INJECTION_DATE_TIME} is {joined}, RadiopharmaceuticalStartTime {INJECTION_TIME} is {time}: correct or remove the wrong one"
        )
    }

    fn placeholder(&self) -> String {
        let [joined, time] = self.texts();
        format!(
            "the time of injection was removed: RadiopharmaceuticalStartDateTime {INJECTION_DATE_TIME} is {joined}, RadiopharmaceuticalStartTime {INJECTION_TIME} is {time}"
        )
    }

    fn lacking(&self) -> String {
        let header = self.header;
        if header.injection_date_time.is_none() && header.injection_time.is_none() {
            return format!(
                "the time of injection, {INJECTION_DATE_TIME} or {INJECTION_TIME}, is missing"
            );
        }
        let [joined, time] = self.texts();
        let time_is_good = header.injection_time.as_deref().and_then(seconds_of);
        if time_is_good.is_some() {
            return format!(
                "only the time of day of the injection is known, RadiopharmaceuticalStartTime {INJECTION_TIME} {time}: with a half-life of {} s it may be days before the scan, and RadiopharmaceuticalStartDateTime {INJECTION_DATE_TIME} is {joined}",
                self.waits.half_life
            );
        }
        format!(
            "the time of injection cannot be read: RadiopharmaceuticalStartDateTime {INJECTION_DATE_TIME} is {joined}, RadiopharmaceuticalStartTime {INJECTION_TIME} is {time}"
        )
    }
}
