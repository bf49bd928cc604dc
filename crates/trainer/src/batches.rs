//! Which samples a slot of a step holds: a pure function of the job and the step.

use crate::task::Samples;
use config::Train;
use dataset::Sample;
use std::ops::{Range, RangeInclusive};

/// The cut of the endless order of samples into global batches, and of these into slots.
#[derive(Clone, Copy, Debug)]
pub struct Batches {
    size: u64,
    slot_size: usize,
    /// A step, and the samples of the lineage up to it: the order goes on from there.
    origin: (u64, u64),
}

impl Batches {
    /// The batches of a run that begins at step 0.
    pub const fn new(train: &Train) -> Self {
        Self {
            size: train.batch as u64,
            slot_size: train.batch / train.slots,
            origin: (0, 0),
        }
    }

    /// The same for a run that goes on from another's checkpoint: after `step`, which `samples` led to.
    #[must_use]
    pub const fn after(self, step: u64, samples: u64) -> Self {
        Self {
            origin: (step, samples),
            ..self
        }
    }

    /// Samples in the lineage of the weights after a step; it is also the position where the next one begins.
    pub const fn samples_at(&self, step: u64) -> u64 {
        let (from, seen) = self.origin;
        seen + step.saturating_sub(from) * self.size
    }

    /// Samples a slot holds.
    pub const fn slot_size(&self) -> usize {
        self.slot_size
    }

    /// The samples of a contiguous run of slots, step after step; `order` gives the endless order from a position on.
    pub(crate) fn samples(
        &self,
        order: impl FnOnce(u64) -> Samples,
        slots: Range<usize>,
        steps: RangeInclusive<u64>,
    ) -> Samples {
        let begin = self.samples_at(steps.start().saturating_sub(1));
        let n = self.samples_at(*steps.end()).saturating_sub(begin);
        let (size, slot_size) = (self.size, self.slot_size as u64);
        let slots = slots.start as u64..slots.end as u64;
        let is_theirs = move |(i, _): &(u64, Sample)| slots.contains(&(i % size / slot_size));
        let samples = (0..n).zip(order(begin)).filter(is_theirs);
        Box::new(samples.map(|(_, sample)| sample))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataset::SampleOrder;

    fn batches(batch: usize) -> Batches {
        Batches::new(&Train {
            batch,
            slots: 4,
            ..Train::default()
        })
    }

    fn positions(batches: &Batches, slots: Range<usize>, steps: RangeInclusive<u64>) -> Vec<u64> {
        let order = SampleOrder { seed: 0, cases: 10 };
        let samples = batches.samples(|first| Box::new(order.samples(first)), slots, steps);
        samples.map(|sample| sample.position).collect()
    }

    #[test]
    fn slots_of_a_step_partition_its_batch_whoever_takes_them() {
        let batches = batches(16);
        let whole = positions(&batches, 0..4, 1..=3);
        assert_eq!(whole, (0..48).collect::<Vec<_>>());
        assert_eq!(positions(&batches, 1..2, 2..=2), [20, 21, 22, 23]);
        let mut parts = positions(&batches, 0..1, 1..=3);
        parts.extend(positions(&batches, 1..4, 1..=3));
        parts.sort_unstable();
        assert_eq!(parts, whole);
    }

    #[test]
    fn going_on_from_a_step_continues_the_same_samples() {
        let batches = batches(16);
        let all = positions(&batches, 1..2, 1..=5);
        assert_eq!(positions(&batches, 1..2, 4..=5), all[12..]);
    }

    #[test]
    fn a_fork_reads_on_where_the_other_run_stopped_also_with_another_batch() {
        let run = batches(16);
        let fork = run.after(3, run.samples_at(3));
        assert_eq!(positions(&fork, 0..4, 4..=6), positions(&run, 0..4, 4..=6));
        let smaller = batches(8).after(3, 48);
        let both = positions(&smaller, 0..4, 4..=5);
        assert_eq!(both, (48..64).collect::<Vec<_>>());
        assert_eq!((smaller.samples_at(3), smaller.samples_at(5)), (48, 64));
    }
}
