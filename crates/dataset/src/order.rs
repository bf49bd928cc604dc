//! Owns the order of samples: which case is read at which position of the endless order.
//!
//! The order is a pure function of the seed and the number of cases. It knows nothing of ranks, slots or steps; who
//! deals positions to workers decides nothing about what lies at them.

use crate::keyed_rng::KeyedRng;

/// Orders the cases of a data set: epoch after epoch, each a fresh permutation of all cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleOrder {
    /// Seed of the run.
    pub seed: u64,
    /// Number of cases in the data set; an order of no cases yields no samples.
    pub cases: u32,
}

/// Names one sample of the endless order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Position in the endless order, from 0.
    pub position: u64,
    /// The pass over the data it belongs to.
    pub epoch: u64,
    /// Number of the case in the manifest.
    pub case: u32,
}

impl SampleOrder {
    /// Returns the cases of one epoch in their order, each exactly once.
    pub fn epoch(&self, epoch: u64) -> Vec<u32> {
        KeyedRng::new("order", self.seed, &[epoch]).permutation(self.cases as usize)
    }

    /// Returns the sample at a position; case 0 of epoch 0 in an order of no cases.
    ///
    /// It draws the whole epoch: [`SampleOrder::samples`] is the cheap way to a run of positions.
    pub fn sample(&self, position: u64) -> Sample {
        let missing = Sample {
            position,
            epoch: 0,
            case: 0,
        };
        self.samples(position).next().unwrap_or(missing)
    }

    /// Walks the endless order from a position on.
    pub fn samples(&self, first: u64) -> Samples {
        Samples {
            order: *self,
            position: first,
            drawn: None,
        }
    }
}

/// Walks the endless order; made by [`SampleOrder::samples`].
#[derive(Debug, Clone)]
pub struct Samples {
    order: SampleOrder,
    position: u64,
    drawn: Option<(u64, Vec<u32>)>,
}

impl Iterator for Samples {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        let position = self.position;
        let cases = u64::from(self.order.cases);
        let epoch = position.checked_div(cases)?;
        self.position = position.checked_add(1)?;
        if self.drawn.as_ref().is_none_or(|(drawn, _)| *drawn != epoch) {
            self.drawn = Some((epoch, self.order.epoch(epoch)));
        }
        let (_, order) = self.drawn.as_ref()?;
        let case = *order.get((position % cases) as usize)?;
        Some(Sample {
            position,
            epoch,
            case,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_order_of_an_epoch_is_frozen() {
        let order = SampleOrder { seed: 17, cases: 8 };
        assert_eq!(order.epoch(0), [6, 4, 5, 3, 2, 1, 0, 7]);
        assert_eq!(order.epoch(1), [7, 6, 5, 1, 0, 4, 2, 3]);
    }

    #[test]
    fn epochs_follow_each_other_without_a_gap() {
        let order = SampleOrder { seed: 17, cases: 8 };
        let walked: Vec<Sample> = order.samples(0).take(20).collect();
        let expected: Vec<u32> = (0..3)
            .flat_map(|epoch| order.epoch(epoch))
            .take(20)
            .collect();
        assert_eq!(
            walked.iter().map(|sample| sample.case).collect::<Vec<_>>(),
            expected
        );
        assert_eq!(
            walked
                .iter()
                .map(|sample| sample.position)
                .collect::<Vec<_>>(),
            (0..20).collect::<Vec<_>>()
        );
        assert_eq!(
            [walked[7].epoch, walked[8].epoch, walked[16].epoch],
            [0, 1, 2]
        );
    }

    #[test]
    fn an_order_of_no_cases_yields_nothing() {
        let order = SampleOrder { seed: 1, cases: 0 };
        assert_eq!(order.samples(5).next(), None);
        assert_eq!(
            order.sample(5),
            Sample {
                position: 5,
                epoch: 0,
                case: 0
            }
        );
    }

    #[test]
    fn the_last_position_ends_the_walk_without_overflow() {
        let order = SampleOrder { seed: 1, cases: 3 };
        assert_eq!(order.samples(u64::MAX).next(), None);
        assert_eq!(order.sample(u64::MAX - 1).position, u64::MAX - 1);
    }

    /// Deals the slots of each step to workers in contiguous runs, has each worker walk the order on its own, and
    /// merges what they read by position.
    fn deal_and_merge(
        order: SampleOrder,
        steps: u64,
        slots: u64,
        slot_size: u64,
        workers: u64,
    ) -> Vec<Sample> {
        let mut merged = Vec::new();
        for worker in 0..workers {
            let run = worker * slots / workers..(worker + 1) * slots / workers;
            for step in 0..steps {
                let first = (step * slots + run.start) * slot_size;
                merged.extend(
                    order
                        .samples(first)
                        .take(((run.end - run.start) * slot_size) as usize),
                );
            }
        }
        merged.sort_by_key(|sample| sample.position);
        merged
    }

    #[test]
    fn any_number_of_workers_reads_the_same_order() {
        let order = SampleOrder { seed: 3, cases: 13 };
        let alone = deal_and_merge(order, 5, 8, 2, 1);
        assert_eq!(alone, order.samples(0).take(80).collect::<Vec<_>>());
        for workers in [2, 3, 4, 5, 7, 8, 11] {
            assert_eq!(
                deal_and_merge(order, 5, 8, 2, workers),
                alone,
                "{workers} workers"
            );
        }
    }

    proptest! {
        #[test]
        fn each_case_comes_once_an_epoch(seed: u64, cases in 1_u32..200, epoch in 0_u64..1_000) {
            let order = SampleOrder { seed, cases };
            let first = epoch * u64::from(cases);
            let mut read: Vec<u32> = order.samples(first).take(cases as usize).map(|sample| sample.case).collect();
            read.sort_unstable();
            prop_assert_eq!(read, (0..cases).collect::<Vec<_>>());
        }

        #[test]
        fn epochs_and_seeds_differ(seed in 0..u64::MAX, epoch in 0_u64..1_000) {
            let order = SampleOrder { seed, cases: 32 };
            prop_assert_ne!(order.epoch(epoch), order.epoch(epoch + 1));
            prop_assert_ne!(order.epoch(epoch), SampleOrder { seed: seed + 1, cases: 32 }.epoch(epoch));
        }

        #[test]
        fn a_sample_is_where_the_walk_finds_it(seed: u64, cases in 1_u32..50, position in 0_u64..10_000) {
            let order = SampleOrder { seed, cases };
            prop_assert_eq!(Some(order.sample(position)), order.samples(position).next());
            prop_assert_eq!(Some(order.sample(position)), order.samples(0).nth(position as usize));
        }
    }
}
