//! The coordinator: whether it is reached, how far away it is, and how far its clock is from this host's.

use std::time::Duration;

use fratmae_coordinator::{ClockReading, CoordinatorError};

use super::finding::{Finding, State};

/// What log lines of two hosts may be apart and still be read side by side.
const APART: Duration = Duration::from_secs(1);

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
    vec![Finding::ok("coordinator", found), offset(reading)]
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
    let advice = "log lines do not line up, and S3 refuses requests from 15 minutes on: start chrony or systemd-timesyncd";
    Finding::new("clock", State::Warning, found, advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(ahead_us: i64, round_trip_ms: u64) -> Finding {
        let round_trip = Duration::from_millis(round_trip_ms);
        offset(&ClockReading {
            round_trip,
            ahead_us,
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
