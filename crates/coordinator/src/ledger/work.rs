//! The work of steps that no checkpoint covers, by process: it came to nothing once they are done again.

use super::ProcessId;
use std::collections::BTreeMap;

/// Steps of ranks that are kept at most; older ones are taken for safe.
const MOST: usize = 1 << 20;

/// Nanoseconds of each process.
pub(super) type Shares = Vec<(ProcessId, u64)>;

/// Productive nanoseconds of each process in each step, as the newest generation applied it.
#[derive(Debug, Default)]
pub(super) struct Work {
    steps: BTreeMap<u64, (u64, Shares)>,
    n_shares: usize,
}

impl Work {
    /// A generation applied a step; gives what an earlier one had done for it.
    pub(super) fn put(&mut self, step: u64, generation: u64, shares: Shares) -> Shares {
        let known = self.steps.get(&step).map(|(known, _)| *known);
        if known.is_some_and(|known| known >= generation) {
            // It is told again, or what was read is older: then that is what was done for nothing.
            return match known == Some(generation) {
                true => Shares::new(),
                false => shares,
            };
        }
        self.n_shares += shares.len();
        let before = self.steps.insert(step, (generation, shares));
        let (_, lost) = before.unwrap_or_default();
        self.n_shares -= lost.len();
        while self.n_shares > MOST
            && let Some((_, (_, oldest))) = self.steps.pop_first()
        {
            self.n_shares -= oldest.len();
        }
        lost
    }

    /// A checkpoint covers the steps up to this one.
    pub(super) fn forget(&mut self, step: u64) {
        self.steps = self.steps.split_off(&(step + 1));
        self.n_shares = self.steps.values().map(|(_, shares)| shares.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(a: u64, b: u64) -> Shares {
        let share = |(worker, productive): (&str, u64)| {
            let worker = worker.to_owned();
            let process = ProcessId {
                worker,
                incarnation: 1,
            };
            (process, productive)
        };
        [("a", a), ("b", b)].map(share).to_vec()
    }

    #[test]
    fn what_is_done_again_was_done_for_nothing_once() {
        let mut work = Work::default();
        for step in 1..=5 {
            assert!(work.put(step, 1, shares(step, 10)).is_empty());
        }
        assert!(work.put(5, 1, shares(5, 10)).is_empty());
        work.forget(2);
        assert_eq!(work.put(4, 2, shares(7, 8)), shares(4, 10));
        assert_eq!(work.put(4, 3, shares(1, 1)), shares(7, 8));
        // A coordinator reads what was done before when the step is done again already.
        assert_eq!(work.put(4, 2, shares(7, 8)), shares(7, 8));
        assert_eq!(work.n_shares, 6);
    }
}
