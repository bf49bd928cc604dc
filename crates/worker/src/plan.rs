//! Which samples a slot of a step holds, and what is hidden of each: pure functions of seed and position.

use fratmae_config::{Config, Masking, ModalityDraw};
use fratmae_dataset::{Draw, Order, Sample};
use fratmae_model::{Masks, Modality, n_kept};
use std::ops::Range;

/// The fixed arithmetic of a job's global batches.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    order: Order,
    seed: u64,
    batch: u64,
    /// A step, and the samples of the lineage up to it: the order goes on from there.
    origin: (u64, u64),
    slot_size: usize,
    tokens: usize,
    kept: usize,
    masking: Masking,
    draw: ModalityDraw,
}

impl Plan {
    pub(crate) fn new(config: &Config, cases: u32) -> Self {
        let model = &config.model;
        let tokens: usize = model
            .stack
            .iter()
            .zip(model.patch)
            .map(|(side, patch)| side / patch)
            .product();
        Self {
            order: Order {
                seed: config.run.seed,
                cases,
            },
            seed: config.run.seed,
            batch: config.train.batch as u64,
            origin: (0, 0),
            slot_size: config.train.batch / config.train.slots,
            tokens,
            kept: n_kept(tokens, model.mask_ratio),
            masking: model.masking,
            draw: model.modality,
        }
    }

    /// The same arithmetic for a run that goes on from another's checkpoint: after `step`, which `samples` led to.
    pub(crate) const fn after(self, step: u64, samples: u64) -> Self {
        Self {
            origin: (step, samples),
            ..self
        }
    }

    /// Samples in the lineage of the weights after a step; it is also the place in the order where the next one begins.
    pub(crate) const fn samples_at(&self, step: u64) -> u64 {
        let (from, seen) = self.origin;
        seen + step.saturating_sub(from) * self.batch
    }

    /// Samples a slot holds.
    pub(crate) const fn slot_size(&self) -> usize {
        self.slot_size
    }

    /// The samples of a contiguous run of slots, step after step from update number `first` on.
    pub(crate) fn samples(
        &self,
        slots: Range<usize>,
        first: u64,
        last: u64,
    ) -> impl Iterator<Item = Sample> + use<> {
        let plan = self.clone();
        (first..=last).flat_map(move |step| {
            let start = plan.samples_at(step - 1);
            let first = start + (slots.start * plan.slot_size) as u64;
            plan.order.samples(first).take(slots.len() * plan.slot_size)
        })
    }

    /// Which modality is masked in each of a slot's samples, and which of its tokens stay.
    pub(crate) fn masks(&self, samples: &[Sample]) -> Masks {
        Masks {
            modality: self.modalities(samples),
            keep: self.kept("mask", samples),
            keep_other: match self.masking {
                Masking::Asymmetric => Vec::new(),
                Masking::Symmetric => self.kept("other mask", samples),
            },
        }
    }

    fn kept(&self, purpose: &'static str, samples: &[Sample]) -> Vec<Vec<u32>> {
        let keep = |sample| self.keep(purpose, sample);
        samples.iter().map(keep).collect()
    }

    fn keep(&self, purpose: &'static str, sample: &Sample) -> Vec<u32> {
        let mut draw = Draw::new(purpose, self.seed, &[sample.epoch, u64::from(sample.case)]);
        let mut tokens = draw.permutation(self.tokens);
        tokens.truncate(self.kept);
        tokens
    }

    fn modalities(&self, samples: &[Sample]) -> Vec<Modality> {
        if self.masking == Masking::Symmetric {
            return vec![Modality::Pet; samples.len()];
        }
        match self.draw {
            ModalityDraw::Independent => samples.iter().map(|sample| self.coin(sample)).collect(),
            ModalityDraw::Balanced => self.balanced(samples),
        }
    }

    fn coin(&self, sample: &Sample) -> Modality {
        let mut draw = Draw::new("modality", self.seed, &[sample.position]);
        if draw.below(2) == 0 {
            Modality::Pet
        } else {
            Modality::Ct
        }
    }

    /// Half of the slot masks PET and half CT; an odd sample out tosses a coin.
    fn balanced(&self, samples: &[Sample]) -> Vec<Modality> {
        let Some(first) = samples.first() else {
            return Vec::new();
        };
        let mut draw = Draw::new("modalities", self.seed, &[first.position]);
        let mut modalities = vec![self.coin(first); samples.len()];
        let half = samples.len() / 2;
        for (place, &index) in draw
            .permutation(samples.len())
            .iter()
            .enumerate()
            .take(2 * half)
        {
            modalities[index as usize] = if place < half {
                Modality::Pet
            } else {
                Modality::Ct
            };
        }
        modalities
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(draw: ModalityDraw) -> Plan {
        let mut config = Config::default();
        config.train.batch = 16;
        config.train.slots = 4;
        config.model.modality = draw;
        Plan::new(&config, 10)
    }

    #[test]
    fn slots_of_a_step_partition_its_batch_whoever_takes_them() {
        let plan = plan(ModalityDraw::Balanced);
        let whole: Vec<_> = plan
            .samples(0..4, 1, 3)
            .map(|sample| sample.position)
            .collect();
        assert_eq!(whole, (0..48).collect::<Vec<_>>());
        let mut parts: Vec<_> = [0..1, 1..4]
            .into_iter()
            .flat_map(|slots| plan.samples(slots, 1, 3))
            .map(|s| s.position)
            .collect();
        parts.sort_unstable();
        assert_eq!(parts, whole);
    }

    #[test]
    fn going_on_from_a_step_continues_the_same_samples() {
        let plan = plan(ModalityDraw::Balanced);
        let all: Vec<_> = plan
            .samples(1..2, 1, 5)
            .map(|sample| sample.position)
            .collect();
        let rest: Vec<_> = plan
            .samples(1..2, 4, 5)
            .map(|sample| sample.position)
            .collect();
        assert_eq!(rest, all[12..]);
    }

    #[test]
    fn a_fork_reads_on_where_the_other_run_stopped_also_with_another_batch() {
        let positions = |plan: &Plan, first, last| {
            let samples = plan.samples(0..4, first, last);
            samples.map(|sample| sample.position).collect::<Vec<_>>()
        };
        let run = plan(ModalityDraw::Balanced);
        let fork = run.clone().after(3, run.samples_at(3));
        assert_eq!(positions(&fork, 4, 6), positions(&run, 4, 6));
        let mut config = Config::default();
        (config.train.batch, config.train.slots) = (8, 4);
        let smaller = Plan::new(&config, 10).after(3, 48);
        assert_eq!(positions(&smaller, 4, 5), (48..64).collect::<Vec<_>>());
        assert_eq!((smaller.samples_at(3), smaller.samples_at(5)), (48, 64));
    }

    #[test]
    fn a_balanced_slot_masks_each_modality_half_of_the_time() {
        let plan = plan(ModalityDraw::Balanced);
        for step in 1..20 {
            let samples: Vec<_> = plan.samples(2..3, step, step).collect();
            let masks = plan.masks(&samples);
            assert_eq!(
                masks
                    .modality
                    .iter()
                    .filter(|&&modality| modality == Modality::Pet)
                    .count(),
                2
            );
        }
    }

    #[test]
    fn independent_draws_differ_between_samples_and_repeat_with_the_seed() {
        let plan = plan(ModalityDraw::Independent);
        let samples: Vec<_> = plan.samples(0..4, 1, 8).collect();
        let masks = plan.masks(&samples);
        let pet = masks
            .modality
            .iter()
            .filter(|&&modality| modality == Modality::Pet)
            .count();
        assert!((32..96).contains(&pet), "{pet} of 128");
        assert_eq!(plan.masks(&samples).modality, masks.modality);
    }

    #[test]
    fn with_symmetric_masks_each_modality_has_its_own() {
        let mut config = Config::default();
        config.model.masking = Masking::Symmetric;
        config.model.mask_ratio = 0.75;
        let plan = Plan::new(&config, 10);
        let samples: Vec<_> = plan.samples(0..1, 1, 1).collect();
        let masks = plan.masks(&samples);
        assert_eq!(masks.keep_other.len(), samples.len());
        for (keep, other) in masks.keep.iter().zip(&masks.keep_other) {
            assert_eq!((keep.len(), other.len()), (60, 60));
            assert_ne!(keep, other);
        }
        assert!(masks.modality.iter().all(|m| *m == Modality::Pet));
    }

    #[test]
    fn half_of_the_tokens_stay_each_once() {
        let plan = plan(ModalityDraw::Balanced);
        let samples: Vec<_> = plan.samples(0..1, 1, 1).collect();
        for mut keep in plan.masks(&samples).keep {
            assert_eq!(keep.len(), 120);
            keep.sort_unstable();
            keep.dedup();
            assert_eq!(keep.len(), 120);
            assert!(keep.iter().all(|&token| token < 240));
        }
    }
}
