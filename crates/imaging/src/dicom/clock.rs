//! Owns dates and times as DICOM writes them, and the seconds between two of them.
//!
//! All moments are by the clock of one scanner; a date-time that names its offset from UTC keeps it until the zone of
//! that clock is known.

/// Seconds of a day.
pub(super) const DAY: f64 = 86_400.0;
/// Offsets from UTC that exist, in seconds.
const OFFSETS: std::ops::RangeInclusive<f64> = -12.0 * 3600.0..=14.0 * 3600.0;

/// A moment by the clock of the scanner, in seconds since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment(f64);

impl Moment {
    /// Reads a date (`YYYYMMDD`) and a time (`HHMMSS.FFFFFF`).
    pub(super) fn of(date: &str, time: &str) -> Option<Self> {
        Some(Self::at(day_of(date)?, seconds_of(time)?))
    }

    /// Joins a day, counted from 1970-01-01, and the seconds since its midnight.
    pub(super) fn at(day: i64, seconds: f64) -> Self {
        Self(day as f64 * DAY + seconds)
    }

    /// Gives the seconds from an earlier moment to this one.
    pub(super) fn since(self, earlier: Self) -> f64 {
        self.0 - earlier.0
    }

    /// Gives the moment so many seconds later.
    pub(super) fn later(self, seconds: f64) -> Self {
        Self(self.0 + seconds)
    }

    /// Gives the seconds since midnight.
    pub(super) fn time_of_day(self) -> f64 {
        self.0.rem_euclid(DAY)
    }

    /// Gives the day, counted from 1970-01-01.
    pub(super) fn day(self) -> i64 {
        self.0.div_euclid(DAY) as i64
    }

    /// Gives the last moment up to this one at which the clock showed this time of day.
    pub(super) fn last_at(self, time_of_day: f64) -> Self {
        self.later(-(self.0 - time_of_day).rem_euclid(DAY))
    }

    /// Gives the moment nearest to this one at which the clock showed this time of day.
    pub(super) fn nearest_at(self, time_of_day: f64) -> Self {
        self.later(DAY / 2.0).last_at(time_of_day)
    }
}

/// A date and time in one, as it is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DateTime {
    /// By the clock of whoever wrote it.
    written: Moment,
    /// That clock's offset from UTC in seconds, where it is given.
    pub(super) offset: Option<f64>,
}

impl DateTime {
    /// Reads `YYYYMMDDHHMMSS.FFFFFF&ZZXX`, of which the offset from UTC may be missing.
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let (local, offset) = match text.find(['+', '-']) {
            Some(at) => (&text[..at], Some(offset_of(&text[at..])?)),
            None => (text, None),
        };
        let (date, time) = local.split_at_checked(8)?;
        let written = Moment::of(date, time)?;
        Some(Self { written, offset })
    }

    /// Gives the moment by a clock with this offset from UTC; one without an offset is of that clock.
    pub(super) fn by_clock_of(self, zone: Option<f64>) -> Moment {
        match (self.offset, zone) {
            (Some(offset), Some(zone)) => self.written.later(zone - offset),
            _ => self.written,
        }
    }
}

/// Reads the date of a date-time that gives no time of day.
pub(super) fn date_alone(text: &str) -> Option<i64> {
    (text.trim().len() == 8).then(|| day_of(text))?
}

/// Gives the seconds of an offset from UTC, `+ZZXX` or `-ZZXX`.
pub(super) fn offset_of(text: &str) -> Option<f64> {
    let text = text.trim();
    let sign = match text.as_bytes().first()? {
        b'+' => 1.0,
        b'-' => -1.0,
        _ => return None,
    };
    let digits = &text[1..];
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u32 = digits.parse().ok()?;
    let offset = sign * f64::from(number / 100 * 3600 + number % 100 * 60);
    (number % 100 < 60 && OFFSETS.contains(&offset)).then_some(offset)
}

/// Gives the day number of `YYYYMMDD` (or `YYYY.MM.DD`, as it was written long ago).
pub(super) fn day_of(date: &str) -> Option<i64> {
    let digits: String = date.trim().split('.').collect();
    if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = digits.parse().ok()?;
    let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years start in March, so that the leap day is the last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468)
}

/// Gives the seconds of `HHMMSS.FFFFFF`; seconds and fraction may be missing. Hours alone are no time: an hour is not
/// small against the half-life of a tracer.
pub(super) fn seconds_of(time: &str) -> Option<f64> {
    let plain: String = time.trim().split(':').collect();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(whole.len(), 4 | 6) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let part = |at: usize| {
        whole
            .get(at..at + 2)
            .map_or(Some(0), |two| two.parse().ok())
    };
    let (hour, minute, second): (u32, u32, u32) = (part(0)?, part(2)?, part(4)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let fraction: f64 = format!("0.{fraction}0").parse().ok()?;
    Some(f64::from(hour * 3600 + minute * 60 + second) + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_over_leap_years() {
        let day = |date| day_of(date).unwrap();
        assert_eq!(day("19700101"), 0);
        assert_eq!(day("20000301") - day("20000228"), 2);
        assert_eq!(day("21000301") - day("21000228"), 1);
        assert_eq!(day("20201217"), 18_613);
        assert_eq!(day_of("2020.12.17"), day_of("20201217"));
    }

    #[test]
    fn times_may_be_short_and_have_fractions() {
        assert_eq!(seconds_of("112011.00"), Some(40_811.0));
        assert_eq!(seconds_of("1120"), Some(40_800.0));
        assert_eq!(seconds_of("11:20:11"), Some(40_811.0));
        assert_eq!(seconds_of(" 000000.5"), Some(0.5));
        assert_eq!(seconds_of("11"), None);
    }

    #[test]
    fn nonsense_is_no_moment() {
        for (date, time) in [
            ("2020121", "112011"),
            ("20201301", "1120"),
            ("20201217", "1"),
            ("20201217", "240000"),
            ("20201217", "11x0"),
            ("", ""),
            ("20201217", ""),
        ] {
            assert_eq!(Moment::of(date, time), None, "{date} {time}");
        }
        for text in [
            "2020",
            "2020121é084500",
            "20201217084500+01",
            "20201217084500+9900",
            "20201217084500+0175",
            "+0100",
        ] {
            assert_eq!(DateTime::of(text), None, "{text}");
        }
        assert_eq!(date_alone("20201217"), day_of("20201217"));
        assert_eq!(date_alone("20201217084500"), None);
    }

    #[test]
    fn a_moment_with_an_offset_is_brought_to_the_clock_of_the_scanner() {
        let written = Moment::of("20201217", "234500").unwrap();
        let joined = DateTime::of("20201217234500.00-0130").unwrap();
        assert_eq!(joined.by_clock_of(None), written);
        let next_day = Moment::of("20201218", "031500").unwrap();
        assert_eq!(joined.by_clock_of(offset_of("+0200")), next_day);
        let plain = DateTime::of("20201217234500").unwrap();
        assert_eq!(plain.by_clock_of(offset_of("+0200")), written);
    }

    #[test]
    fn the_last_time_before_may_be_yesterday_and_the_nearest_tomorrow() {
        let scan = Moment::of("20200301", "003000").unwrap();
        let evening = seconds_of("234500").unwrap();
        assert_eq!(scan.since(scan.last_at(evening)), 2700.0);
        assert_eq!(scan.last_at(scan.time_of_day()), scan);
        let night = Moment::of("20200229", "235000").unwrap();
        assert_eq!(night.nearest_at(600.0).since(night), 1200.0);
        assert_eq!(scan.nearest_at(evening).since(scan), -2700.0);
    }
}
