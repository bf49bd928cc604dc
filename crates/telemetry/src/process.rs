//! When this process began, by two clocks. It sets no clock.

use nix::time::{ClockId, clock_gettime};
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Clock ticks in a second, in which Linux tells programs of processes.
const TICKS: u64 = 100;

/// The field of `/proc/self/stat` that has the start, counted after the program's name.
const START: usize = 19;

static BEGAN: LazyLock<Began> = LazyLock::new(Began::now);

struct Began {
    at: Instant,
    unix_us: u64,
}

impl Began {
    #[expect(
        clippy::disallowed_methods,
        reason = "it tells one process of a name from the next"
    )]
    fn now() -> Self {
        let (now, unix) = (Instant::now(), SystemTime::now());
        let age = age().unwrap_or_default();
        let unix = unix.duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_us = unix.saturating_sub(age).as_micros();
        Self {
            at: now.checked_sub(age).unwrap_or(now),
            unix_us: u64::try_from(unix_us).unwrap_or(u64::MAX),
        }
    }
}

/// How long this process has lived by now, in nanoseconds.
#[must_use]
pub fn process_age_ns() -> u64 {
    u64::try_from(BEGAN.at.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// When this process began, in microseconds since 1970.
#[must_use]
pub fn process_began_unix_us() -> u64 {
    BEGAN.unix_us
}

/// How old this process is by the system's account; none where it keeps none.
fn age() -> Option<Duration> {
    let started = started(&std::fs::read_to_string("/proc/self/stat").ok()?)?;
    let now = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?);
    now.checked_sub(started)
}

/// How long after the system's start a process was started, from its line in `/proc`.
fn started(stat: &str) -> Option<Duration> {
    // The name may have any character in it, and is in parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields.split_whitespace().nth(START)?.parse().ok()?;
    Some(Duration::from_millis(ticks * (1000 / TICKS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_found_behind_any_name() {
        let stat = "7 (a) (b c) S 1 7 7 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 12345 1 2 3";
        assert_eq!(started(stat), Some(Duration::from_millis(123_450)));
        assert_eq!(started("7 (a) S 1"), None);
        assert_eq!(started(""), None);
    }

    #[test]
    fn a_process_is_as_old_as_the_system_says_and_ages() {
        let (one, system) = (process_age_ns(), age().unwrap_or_default());
        let apart = system.abs_diff(Duration::from_nanos(one));
        assert!(apart < Duration::from_millis(50), "{apart:?}");
        assert!(process_age_ns() >= one);
        assert_eq!(process_began_unix_us(), process_began_unix_us());
    }
}
