//! The work of steps that no checkpoint covers, by process: it comes to nothing if a group goes on from before them.

use super::ProcessId;
use std::collections::{BTreeMap, BTreeSet};

/// Entries at most, of one rank's step each; older ones are taken for safe.
const MOST: usize = 1 << 20;

/// One rank's step: the step, its process, and its productive nanoseconds.
pub(super) type Done = (u64, ProcessId, u64);

/// Nanoseconds by process.
pub(super) type Rewound = BTreeMap<ProcessId, u64>;

/// Productive nanoseconds of each process in each step.
#[derive(Debug, Default)]
pub(super) struct Work {
    steps: BTreeMap<u64, Vec<(ProcessId, u64)>>,
    n_entries: usize,
    /// The earliest step that a group has gone on from here.
    begun: Option<u64>,
}

impl Work {
    pub(super) fn add(&mut self, (step, process, productive): Done) {
        let entries = self.steps.entry(step).or_default();
        entries.push((process, productive));
        self.n_entries += 1;
        while self.n_entries > MOST
            && let Some((_, oldest)) = self.steps.pop_first()
        {
            self.n_entries -= oldest.len();
        }
    }

    /// What is lost of each process where a group goes on from a step.
    pub(super) fn rewind(&mut self, step: u64) -> Rewound {
        self.begun = Some(self.begun.map_or(step, |begun| begun.min(step)));
        let mut lost = Rewound::new();
        for (process, productive) in self.steps.split_off(&(step + 1)).into_values().flatten() {
            self.n_entries -= 1;
            add(&mut lost, process, productive);
        }
        lost
    }

    /// A checkpoint covers the steps up to this one.
    pub(super) fn forget(&mut self, step: u64) {
        self.steps = self.steps.split_off(&(step + 1));
        self.n_entries = self.steps.values().map(Vec::len).sum();
    }

    /// Takes in what earlier coordinators saw of steps after the newest checkpoint; gives what of it is lost by now.
    pub(super) fn load(&mut self, done: impl IntoIterator<Item = Done>) -> Rewound {
        let known: BTreeSet<u64> = self.steps.keys().copied().collect();
        let mut lost = Rewound::new();
        for done in done {
            match self.begun.is_some_and(|begun| done.0 > begun) {
                true => add(&mut lost, done.1, done.2),
                false if known.contains(&done.0) => {}
                false => self.add(done),
            }
        }
        lost
    }
}

fn add(lost: &mut Rewound, process: ProcessId, productive: u64) {
    let sum = lost.entry(process).or_default();
    *sum = sum.saturating_add(productive);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(step: u64, worker: &str, productive: u64) -> Done {
        let worker = worker.to_owned();
        let process = ProcessId {
            worker,
            incarnation: 1,
        };
        (step, process, productive)
    }

    fn shown(lost: Rewound) -> Vec<(String, u64)> {
        lost.into_iter().map(|(id, ns)| (id.worker, ns)).collect()
    }

    #[test]
    fn steps_after_the_one_that_a_group_goes_on_from_are_lost_once() {
        let mut work = Work::default();
        for step in 1..=5 {
            work.add(done(step, "a", step));
            work.add(done(step, "b", 10));
        }
        work.forget(2);
        let lost = shown(work.rewind(3));
        assert_eq!(lost, [("a".to_owned(), 9), ("b".to_owned(), 20)]);
        assert!(work.rewind(3).is_empty());
        assert_eq!(work.n_entries, 2);
    }

    #[test]
    fn what_an_earlier_coordinator_saw_is_lost_whether_it_is_read_before_the_group_begins_or_after()
    {
        let seen = || [done(4, "a", 1), done(5, "a", 2), done(6, "b", 4)];
        let expected = [("a".to_owned(), 2), ("b".to_owned(), 4)];
        let mut early = Work::default();
        assert!(early.load(seen()).is_empty());
        assert_eq!(shown(early.rewind(4)), expected);
        let mut late = Work::default();
        assert!(late.rewind(4).is_empty());
        late.add(done(5, "a", 7));
        assert_eq!(shown(late.load(seen())), expected);
        assert_eq!(shown(late.rewind(0)), [("a".to_owned(), 8)]);
    }
}
