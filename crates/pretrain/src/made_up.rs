//! Samples that nobody scanned, to try how long a step takes.

use fratmae_config::Model;
use fratmae_model::{Masks, Modality, PatchGrid, SlotBatch};

/// Stacks of a wave, PET and CT masked in turn, and a sentence of twenty tokens each.
#[must_use]
pub fn made_up(config: &Model, n_samples: usize) -> SlotBatch {
    let voxels = config.stack.iter().product::<usize>() * n_samples;
    let wave = |step: f32| {
        (0..voxels)
            .map(|i| 0.5 + 0.5 * (i as f32 * step).sin())
            .collect()
    };
    let modality = |sample| [Modality::Pet, Modality::Ct][sample % 2];
    let n_tokens = PatchGrid::new(config).n_tokens() as u32;
    let order = |sample: u32| (0..n_tokens).map(|i| (7 * i + sample) % n_tokens).collect();
    let orders: Vec<Vec<u32>> = (0..n_samples as u32).map(order).collect();
    let modality = (0..n_samples).map(modality).collect();
    let n_words = config.text.context.saturating_sub(2).min(18) as u32;
    let sentence = |sample: u32| {
        let words = (0..n_words).map(|word| 320 + 100 * sample + word);
        std::iter::once(49_406)
            .chain(words)
            .chain([49_407])
            .collect()
    };
    SlotBatch {
        pet: wave(0.37),
        ct: wave(0.11),
        masks: Masks::from_permutations(modality, &orders, config.mask_ratio),
        tokens: (0..n_samples as u32).map(sentence).collect(),
    }
}
