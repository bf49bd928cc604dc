//! For how long a run has applied no step although nothing is broken any more: a pure count.

use std::time::Duration;

/// The most that one look counts for: what took longer was a machine that stood still, and chaos with it.
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// The count.
#[derive(Default)]
pub(super) struct Stillness {
    newest: u64,
    time: Duration,
}

impl Stillness {
    /// Looks at a run `gap` after the look before; gives the time for which it has been still.
    pub(super) fn look(&mut self, gap: Duration, newest: u64, is_disturbed: bool) -> Duration {
        self.time = match is_disturbed || newest > self.newest {
            true => Duration::ZERO,
            false => self.time + gap.min(LONGEST_LOOK),
        };
        self.newest = self.newest.max(newest);
        self.time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn time_counts_from_the_newest_step_and_not_while_something_is_broken() {
        let mut stillness = Stillness::default();
        assert_eq!(stillness.look(SECOND, 3, false), Duration::ZERO);
        assert_eq!(stillness.look(SECOND, 3, false), SECOND);
        assert_eq!(stillness.look(SECOND, 2, false), 2 * SECOND);
        assert_eq!(stillness.look(SECOND, 3, true), Duration::ZERO);
        assert_eq!(stillness.look(SECOND, 3, false), SECOND);
        assert_eq!(stillness.look(SECOND, 4, false), Duration::ZERO);
    }

    #[test]
    fn a_machine_that_stood_still_is_no_run_that_does() {
        let mut stillness = Stillness::default();
        stillness.look(SECOND, 1, false);
        assert_eq!(stillness.look(226 * SECOND, 1, false), SECOND);
    }
}
