//! The coordinator: whether it is reached, how far away it is, of which version, and how far its clock is from this host's.

use std::time::Duration;

use fratmae_coordinator::{ClockReading, CoordinatorError};

use super::finding::{Finding, State};

/// What log lines of two hosts may be apart and still be read side by side.
const APART: Duration = Duration::from_secs(1);
/// Beyond this nothing that has a time is believed any more: certificates, signed requests to stores.
const WRONG: Duration = Duration::from_secs(60);

/// This program's version.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Judges what the coordinator answered.
pub(crate) fn judge(
    address: &str,
    reading: &Result<ClockReading, CoordinatorError>,
) -> Vec<Finding> {
    let reading = match reading {
        Ok(reading) => reading,
        Err(error) => {
            let advice =
                "check the address, that the run goes on, and that no firewall lies between";
            let found = error.to_string();
            return vec![Finding::new("coordinator", State::Missing, found, advice)];
        }
    };
    let round_trip = reading.round_trip.as_secs_f64() * 1e3;
    let found = format!("{address} answers within {round_trip:.1} ms");
    vec![
        Finding::ok("coordinator", found),
        version(address, &reading.version),
        offset(reading),
    ]
}

/// A worker of another version is refused.
fn version(address: &str, theirs: &str) -> Finding {
    let advice =
        "install the same version on all hosts, or start the coordinator with --allow version";
    let theirs = match theirs {
        VERSION => return Finding::ok("version", format!("{VERSION}, as the coordinator's")),
        "" => "of an earlier version",
        theirs => theirs,
    };
    let found = format!("{VERSION} here, the coordinator at {address} is {theirs}");
    Finding::new("version", State::Missing, found, advice)
}

/// The offset is known to half of a round trip: only what is beyond it is sure.
fn offset(reading: &ClockReading) -> Finding {
    let off = Duration::from_micros(reading.ahead_us.unsigned_abs());
    let bound = reading.round_trip / 2;
    let direction = match reading.ahead_us {
        ..0 => "ahead of",
        0.. => "behind",
    };
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let found = format!(
        "{:.1} ms {direction} the coordinator's, give or take {:.1} ms",
        milliseconds(off),
        milliseconds(bound)
    );
    if off.saturating_sub(bound) <= APART {
        return Finding::ok("clock", found);
    }
    let (state, advice) = match off.saturating_sub(bound) > WRONG {
        true => (
            State::Missing,
            "one of the two is wrong, so that certificates and signed requests are refused: start chrony or systemd-timesyncd on both",
        ),
        false => (
            State::Warning,
            "log lines do not line up: start chrony or systemd-timesyncd",
        ),
    };
    Finding::new("clock", state, found, advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(ahead_us: i64, round_trip_ms: u64) -> Finding {
        let round_trip = Duration::from_millis(round_trip_ms);
        offset(&ClockReading {
            round_trip,
            ahead_us,
            version: VERSION.to_owned(),
        })
    }

    #[test]
    fn clocks_that_are_apart_are_a_warning_with_the_direction() {
        assert_eq!(
            clock(20_000, 2).found,
            "20.0 ms behind the coordinator's, give or take 1.0 ms"
        );
        assert_eq!(clock(20_000, 2).state, State::Ok);
        let fast = clock(-3_000_000, 2);
        assert!(
            fast.found
                .starts_with("3000.0 ms ahead of the coordinator's"),
            "{}",
            fast.found
        );
        assert_eq!(fast.state, State::Warning);
    }

    #[test]
    fn what_a_slow_answer_may_have_brought_about_is_no_warning() {
        assert_eq!(clock(1_400_000, 1000).state, State::Ok);
        assert_eq!(clock(1_600_000, 1000).state, State::Warning);
    }

    #[test]
    fn a_clock_that_is_wrong_fails() {
        assert_eq!(clock(60_000_000, 2).state, State::Warning);
        for ahead_us in [61_000_000, -3_600_000_000, i64::MIN, i64::MAX] {
            assert_eq!(clock(ahead_us, 2).state, State::Missing, "{ahead_us}");
        }
    }

    #[test]
    fn another_version_fails_and_is_named() {
        assert_eq!(version("http://h:1", VERSION).state, State::Ok);
        let other = version("http://h:1", "9.8.7");
        assert_eq!(other.state, State::Missing);
        assert!(
            other.found.ends_with("http://h:1 is 9.8.7"),
            "{}",
            other.found
        );
        let old = version("http://h:1", "");
        assert!(
            old.found.ends_with("of an earlier version"),
            "{}",
            old.found
        );
    }

    #[test]
    fn a_coordinator_that_is_not_there_is_missing() {
        let error = CoordinatorError::Unanswered {
            address: "http://h:1".to_owned(),
            reason: "Connection refused".to_owned(),
        };
        let findings = judge("http://h:1", &Err(error));
        assert_eq!(findings[0].state, State::Missing);
        assert!(findings[0].found.contains("http://h:1: Connection refused"));
    }
}
