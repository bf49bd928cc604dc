//! Owns dates and times as DICOM writes them, and the seconds between two of them. It knows no time zone: all times of
//! a study are by the clock of one scanner.

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// A moment by the clock of the scanner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    /// Days since 1970-01-01.
    pub(super) day: i64,
    /// Seconds since midnight.
    pub(super) seconds: f64,
}

impl Moment {
    /// Reads a date (`YYYYMMDD`) and a time (`HHMMSS.FFFFFF`).
    pub(super) fn of(date: &str, time: &str) -> Option<Self> {
        Some(Self {
            day: day_of(date)?,
            seconds: seconds_of(time)?,
        })
    }

    /// Reads a date and time in one (`YYYYMMDDHHMMSS.FFFFFF`, perhaps with a time zone, which is left out).
    pub(super) fn of_joined(text: &str) -> Option<Self> {
        let local = text.trim().split(['+', '-']).next()?;
        let (date, time) = local.split_at_checked(8)?;
        Self::of(date, time)
    }

    /// Gives the seconds from an earlier moment to this one.
    pub(super) fn since(self, earlier: Self) -> f64 {
        (self.day - earlier.day) as f64 * DAY + (self.seconds - earlier.seconds)
    }

    /// Gives the last moment before this one at which the clock showed the time of `other`.
    pub(super) fn last_at(self, other: Self) -> Self {
        let today = other.seconds <= self.seconds;
        Self {
            day: if today { self.day } else { self.day - 1 },
            seconds: other.seconds,
        }
    }
}

/// Gives the day number of `YYYYMMDD` (or `YYYY.MM.DD`, as it was written long ago).
fn day_of(date: &str) -> Option<i64> {
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
    let leap_days = year / 4 - year / 100 + year / 400;
    Some(365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468)
}

/// Gives the seconds of `HHMMSS.FFFFFF`; minutes, seconds and fraction may be missing.
fn seconds_of(time: &str) -> Option<f64> {
    let plain: String = time.trim().split(':').collect();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(whole.len(), 2 | 4 | 6) || !digits(whole) || !digits(fraction) {
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
    }

    #[test]
    fn nonsense_is_no_moment() {
        for (date, time) in [
            ("2020121", "112011"),
            ("20201301", "11"),
            ("20201217", "1"),
            ("20201217", "240000"),
            ("20201217", "11x0"),
            ("", ""),
            ("20201217", ""),
        ] {
            assert_eq!(Moment::of(date, time), None, "{date} {time}");
        }
        assert_eq!(Moment::of_joined("2020"), None);
        assert_eq!(Moment::of_joined("2020121é084500"), None);
    }

    #[test]
    fn joined_moments_drop_their_time_zone() {
        let plain = Moment::of("20201217", "084500").unwrap();
        assert_eq!(Moment::of_joined("20201217084500.00+0100"), Some(plain));
    }

    #[test]
    fn the_last_time_before_may_be_yesterday() {
        let scan = Moment::of("20200301", "003000").unwrap();
        let injection = Moment::of("19600101", "234500").unwrap();
        let found = scan.last_at(injection);
        assert_eq!(scan.since(found), 2700.0);
    }
}
