//! When a process that died may be started again: a pure function of its lives so far.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The time over which starts are counted.
const HOUR: Duration = Duration::from_secs(3600);
/// A life shorter than this hints at a cause that will come back.
const SHORT_LIFE: Duration = Duration::from_secs(10);
/// The wait after the second short life in a row; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The wait in all other cases: a process that starts takes the cores that the survivors' next step needs.
pub(crate) const RESTART_DELAY: Duration = Duration::from_millis(250);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The lives of one process within the last hour.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    starts: VecDeque<Instant>,
    ended: Option<Instant>,
    short_lives: u32,
}

impl Restarts {
    pub(crate) fn note_start(&mut self, now: Instant) {
        self.starts.push_back(now);
    }

    pub(crate) fn note_end(&mut self, now: Instant) {
        self.ended = Some(now);
        let is_short = self
            .starts
            .back()
            .is_some_and(|start| now.saturating_duration_since(*start) < SHORT_LIFE);
        self.short_lives = match is_short {
            true => self.short_lives.saturating_add(1),
            false => 0,
        };
    }

    /// Whether it has been started within the hour.
    pub(crate) fn has_started(&self) -> bool {
        !self.starts.is_empty()
    }

    /// When the process may be started; none if it was started again `limit` times within the hour.
    pub(crate) fn due(&mut self, now: Instant, limit: u32) -> Option<Instant> {
        while let Some(oldest) = self.starts.front()
            && now.saturating_duration_since(*oldest) > HOUR
        {
            self.starts.pop_front();
        }
        if self.starts.len() > limit as usize {
            return None;
        }
        let wait = match self.short_lives {
            0 | 1 => RESTART_DELAY,
            lives => FIRST_WAIT
                .saturating_mul(2_u32.saturating_pow(lives - 2))
                .min(LONGEST_WAIT),
        };
        Some(self.ended.map_or(now, |ended| ended + wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits in seconds before each start, of a process that lives so long each time.
    fn waits(life: Duration, limit: u32) -> Vec<u64> {
        let mut restarts = Restarts::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        while let Some(due) = restarts.due(now, limit) {
            waits.push(due.saturating_duration_since(now).as_secs());
            now = due;
            restarts.note_start(now);
            now += life;
            restarts.note_end(now);
        }
        waits
    }

    #[test]
    fn one_that_dies_at_once_waits_longer_and_longer_until_the_limit() {
        let none = Duration::ZERO;
        assert_eq!(waits(none, 9), [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(waits(none, 1), [0, 0]);
        assert_eq!(waits(none, 0), [0]);
    }

    #[test]
    fn one_that_lived_for_a_while_starts_again_soon() {
        assert_eq!(waits(SHORT_LIFE, 3), [0, 0, 0, 0]);
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let mut restarts = Restarts::default();
        let long_ago = Instant::now();
        restarts.note_start(long_ago);
        restarts.note_start(long_ago);
        assert_eq!(restarts.due(long_ago, 1), None);
        let now = long_ago + HOUR + FIRST_WAIT;
        assert_eq!(restarts.due(now, 1), Some(now));
    }
}
