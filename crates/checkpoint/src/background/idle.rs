//! How many cores nobody uses while steps are computed, as the kernel counts.
//! It owns the measuring; what follows from it for the writer is `rate`'s.

use std::time::{Duration, Instant};

/// Jiffies in a second, for every program of Linux.
const JIFFIES: f64 = 100.0;

/// The least time over which is measured: the counts are coarse, and reading them takes a tenth of a millisecond.
const SPAN: Duration = Duration::from_secs(1);

/// Measures again and again, over steps without a checkpoint.
#[derive(Debug, Default)]
pub(super) struct IdleCores {
    began: Option<(Instant, Counts)>,
}

/// Seconds of cores since the machine, or this process, was started.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counts {
    /// Unused by anybody.
    idle: f64,
    /// Used by this process.
    own: f64,
}

impl IdleCores {
    /// A step has ended that was disturbed: what is measured is not what steps use.
    pub(super) fn forget(&mut self) {
        self.began = None;
    }

    /// A step without a checkpoint has ended; gives how many of `n_cores` were idle, once enough time has passed.
    pub(super) fn look(&mut self, n_cores: f64) -> Option<f64> {
        let now = Instant::now();
        let Some((began, before)) = self.began else {
            self.began = Counts::read().map(|counts| (now, counts));
            return None;
        };
        if now - began < SPAN {
            return None;
        }
        let after = Counts::read()?;
        self.began = Some((now, after));
        Some(after.idle_since(before, (now - began).as_secs_f64(), n_cores))
    }
}

impl Counts {
    fn read() -> Option<Self> {
        let machine = std::fs::read_to_string("/proc/stat").ok()?;
        let process = std::fs::read_to_string("/proc/self/stat").ok()?;
        Self::parse(&machine, &process)
    }

    fn parse(machine: &str, process: &str) -> Option<Self> {
        let mut all = machine.lines().next()?.split_whitespace().skip(1);
        let idle: f64 = all.nth(3)?.parse().ok()?;
        // The name of the program may have blanks and brackets in it.
        let (_, fields) = process.rsplit_once(") ")?;
        let mut used = fields.split_whitespace().skip(11);
        let mut next = || used.next()?.parse::<f64>().ok();
        let own = next()? + next()?;
        Some(Self {
            idle: idle / JIFFIES,
            own: own / JIFFIES,
        })
    }

    /// A process may be allowed fewer cores than the machine has.
    fn idle_since(self, before: Self, seconds: f64, n_cores: f64) -> f64 {
        let of_machine = (self.idle - before.idle) / seconds;
        let of_process = n_cores - (self.own - before.own) / seconds;
        of_machine.min(of_process).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESS: &str =
        "12 (a b) c) S 1 12 12 0 -1 4194304 1 2 3 4 150 50 0 0 20 0 9 0 5 6 7 18446744073709551615";

    #[test]
    fn the_kernels_counts_are_read() {
        let machine = "cpu  100 0 50 700 20 0 3 0 0 0\ncpu0 100 0 50 700 20 0 3 0 0 0\n";
        let read = Counts::parse(machine, PROCESS).unwrap();
        assert_eq!(
            read,
            Counts {
                idle: 7.0,
                own: 2.0
            }
        );
        for wrong in ["", "cpu", "cpu  1 2 3 x"] {
            assert_eq!(Counts::parse(wrong, PROCESS), None);
        }
        assert_eq!(Counts::parse(machine, "12 (a"), None);
        assert!(Counts::read().is_some());
    }

    #[test]
    fn no_more_is_idle_than_the_machine_or_the_process_has() {
        let before = Counts {
            idle: 5.0,
            own: 1.0,
        };
        let after = |idle, own| Counts { idle, own }.idle_since(before, 2.0, 2.0);
        assert_eq!(after(7.0, 3.0), 1.0);
        assert_eq!(after(69.0, 4.0), 0.5, "of 32 cores it may use two");
        assert_eq!(after(5.0, 2.0), 0.0, "others use the rest");
        assert_eq!(after(5.0, 9.0), 0.0);
    }
}
