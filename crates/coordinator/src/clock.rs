//! How far this host's clock is from a coordinator's, as that tells it over the network, and which version that is of. It
//! sets no clock.

use crate::error::CoordinatorError;
use fratmae_protocol::{Client, cause, connect, pb};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often the clock is asked for: the quickest answer is the one that the network delayed least.
const TRIES: usize = 8;
/// How long a coordinator may take to answer all of them.
const PATIENCE: Duration = Duration::from_secs(5);

/// Two clocks side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockReading {
    /// The quickest question and answer. The offset is known to half of it.
    pub round_trip: Duration,
    /// Microseconds by which the other clock is ahead of this host's; below zero it is behind.
    pub ahead_us: i64,
    /// The coordinator's version; empty if it does not tell it.
    pub version: String,
}

/// Asks the coordinator at `address` for its time.
///
/// # Errors
/// `Unanswered` if nobody is there, or one who tells no time, within five seconds.
pub async fn compare_clocks(address: &str) -> Result<ClockReading, CoordinatorError> {
    let unanswered = |reason: String| CoordinatorError::Unanswered {
        address: address.to_owned(),
        reason,
    };
    let asked = tokio::time::timeout(PATIENCE, ask(address)).await;
    let silent = |_| unanswered(format!("not within {PATIENCE:?}"));
    asked.map_err(silent)?.map_err(unanswered)
}

async fn ask(address: &str) -> Result<ClockReading, String> {
    let client = connect(address).await;
    let mut client = client.map_err(|error| error.to_string())?;
    let mut best = read_once(&mut client).await?;
    for _ in 1..TRIES {
        best = closer(best, read_once(&mut client).await?);
    }
    Ok(best)
}

async fn read_once(client: &mut Client) -> Result<ClockReading, String> {
    let (before, started) = (unix_us(), Instant::now());
    let reply = client.clock(pb::ClockRequest {}).await;
    let round_trip = started.elapsed();
    let theirs = reply.map_err(|status| cause(&status))?;
    Ok(reading(before, round_trip, theirs.into_inner()))
}

/// As NTP does: the answer was given half way between question and answer.
fn reading(before_us: u64, round_trip: Duration, theirs: pb::ClockReply) -> ClockReading {
    let half_way = i128::from(before_us) + (round_trip / 2).as_micros() as i128;
    let ahead = i128::from(theirs.unix_us) - half_way;
    ClockReading {
        round_trip,
        ahead_us: ahead.clamp(i64::MIN.into(), i64::MAX.into()) as i64,
        version: theirs.version,
    }
}

fn closer(one: ClockReading, other: ClockReading) -> ClockReading {
    if other.round_trip < one.round_trip {
        other
    } else {
        one
    }
}

/// The time of day in microseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the time of day itself is what is compared"
)]
pub(crate) fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn reading(before_us: u64, round_trip: Duration, unix_us: u64) -> ClockReading {
        let version = String::new();
        super::reading(before_us, round_trip, pb::ClockReply { unix_us, version })
    }

    #[test]
    fn the_answer_is_taken_to_be_given_half_way() {
        assert_eq!(reading(1_000_000, 10 * MS, 1_005_000).ahead_us, 0);
        assert_eq!(reading(1_000_000, 10 * MS, 3_005_000).ahead_us, 2_000_000);
        assert_eq!(reading(1_000_000, 10 * MS, 5_000).ahead_us, -1_000_000);
        assert_eq!(reading(0, MS, u64::MAX).ahead_us, i64::MAX);
    }

    #[test]
    fn the_quickest_answer_counts() {
        let (slow, quick) = (reading(0, 9 * MS, 9), reading(0, 2 * MS, 9));
        assert_eq!(closer(slow.clone(), quick.clone()), quick);
        assert_eq!(closer(quick.clone(), slow), quick);
    }

    #[tokio::test]
    async fn nobody_is_told_with_the_address_and_the_cause() {
        let error = compare_clocks("http://127.0.0.1:1").await.unwrap_err();
        let line = error.to_string();
        assert!(
            line.contains("http://127.0.0.1:1: Connection refused"),
            "{line}"
        );
    }
}
