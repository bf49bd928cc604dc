//! What is hidden of each sample of a slot: a pure function of seed and sample.

use fratmae_config::{Config, Masking, ModalityDraw};
use fratmae_dataset::{KeyedRng, Sample};
use fratmae_model::{Masks, Modality, n_kept};

/// How a job hides parts of its samples.
#[derive(Clone, Debug)]
pub(crate) struct Masker {
    seed: u64,
    tokens: usize,
    kept: usize,
    masking: Masking,
    modality: ModalityDraw,
}

impl Masker {
    pub(crate) fn new(config: &Config) -> Self {
        let model = &config.model;
        let sides = model.stack.iter().zip(model.patch);
        let tokens: usize = sides.map(|(side, patch)| side / patch).product();
        Self {
            seed: config.run.seed,
            tokens,
            kept: n_kept(tokens, model.mask_ratio),
            masking: model.masking,
            modality: model.modality,
        }
    }

    /// Which modality is masked in each of a slot's samples, and which of its tokens stay.
    pub(crate) fn draw(&self, samples: &[Sample]) -> Masks {
        Masks {
            modality: self.modalities(samples),
            keep: self.keeps("mask", samples),
            keep_other: match self.masking {
                Masking::Asymmetric => Vec::new(),
                Masking::Symmetric => self.keeps("other mask", samples),
            },
        }
    }

    fn keeps(&self, purpose: &'static str, samples: &[Sample]) -> Vec<Vec<u32>> {
        let keep = |sample| self.keep(purpose, sample);
        samples.iter().map(keep).collect()
    }

    fn keep(&self, purpose: &'static str, sample: &Sample) -> Vec<u32> {
        let mut rng = KeyedRng::new(purpose, self.seed, &[sample.epoch, u64::from(sample.case)]);
        let mut tokens = rng.permutation(self.tokens);
        tokens.truncate(self.kept);
        tokens
    }

    fn modalities(&self, samples: &[Sample]) -> Vec<Modality> {
        if self.masking == Masking::Symmetric {
            return vec![Modality::Pet; samples.len()];
        }
        match self.modality {
            ModalityDraw::Independent => samples.iter().map(|sample| self.coin(sample)).collect(),
            ModalityDraw::Balanced => self.balanced(samples),
        }
    }

    fn coin(&self, sample: &Sample) -> Modality {
        let mut rng = KeyedRng::new("modality", self.seed, &[sample.position]);
        if rng.below(2) == 0 {
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
        let mut rng = KeyedRng::new("modalities", self.seed, &[first.position]);
        let mut modalities = vec![self.coin(first); samples.len()];
        let half = samples.len() / 2;
        for (place, &index) in rng
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
    use fratmae_dataset::SampleOrder;

    fn masker(modality: ModalityDraw) -> Masker {
        let mut config = Config::default();
        config.model.modality = modality;
        Masker::new(&config)
    }

    /// Samples from a position on.
    fn samples(first: u64, n: usize) -> Vec<Sample> {
        let order = SampleOrder {
            seed: Config::default().run.seed,
            cases: 10,
        };
        order.samples(first).take(n).collect()
    }

    fn n_pet(masks: &Masks) -> usize {
        let pet = masks.modality.iter().filter(|&&m| m == Modality::Pet);
        pet.count()
    }

    #[test]
    fn a_balanced_slot_masks_each_modality_half_of_the_time() {
        let masker = masker(ModalityDraw::Balanced);
        for first in (8..320).step_by(16) {
            assert_eq!(n_pet(&masker.draw(&samples(first, 4))), 2);
        }
    }

    #[test]
    fn independent_draws_differ_between_samples_and_repeat_with_the_seed() {
        let masker = masker(ModalityDraw::Independent);
        let samples = samples(0, 128);
        let masks = masker.draw(&samples);
        let pet = n_pet(&masks);
        assert!((32..96).contains(&pet), "{pet} of 128");
        assert_eq!(masker.draw(&samples).modality, masks.modality);
    }

    #[test]
    fn with_symmetric_masks_each_modality_has_its_own() {
        let mut config = Config::default();
        config.model.masking = Masking::Symmetric;
        config.model.mask_ratio = 0.75;
        let masks = Masker::new(&config).draw(&samples(0, 4));
        assert_eq!(masks.keep_other.len(), 4);
        for (keep, other) in masks.keep.iter().zip(&masks.keep_other) {
            assert_eq!((keep.len(), other.len()), (60, 60));
            assert_ne!(keep, other);
        }
        assert!(masks.modality.iter().all(|m| *m == Modality::Pet));
    }

    #[test]
    fn half_of_the_tokens_stay_each_once() {
        let masker = masker(ModalityDraw::Balanced);
        for mut keep in masker.draw(&samples(0, 4)).keep {
            assert_eq!(keep.len(), 120);
            keep.sort_unstable();
            keep.dedup();
            assert_eq!(keep.len(), 120);
            assert!(keep.iter().all(|&token| token < 240));
        }
    }
}
