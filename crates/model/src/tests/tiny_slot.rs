//! A network and slots small enough for tests, here and in the rehearsals; whoever includes this file has the types of
//! the model in scope.

use fratmae_config::{Decoder, Model, Text, Transformer};

use super::{Masks, Modality, PatchGrid, SlotBatch};

/// Twelve tokens of 32 voxels, two encoder blocks, one decoder block.
pub(crate) fn config() -> Model {
    Model {
        stack: [4, 8, 12],
        patch: [2, 4, 4],
        encoder: Transformer {
            width: 12,
            depth: 2,
            heads: 2,
        },
        decoder: Decoder {
            width: 18,
            depth: 1,
            heads: 3,
            self_attention: true,
        },
        mlp_ratio: 2,
        embedding: 8,
        text: Text {
            width: 8,
            depth: 1,
            heads: 2,
            context: 16,
            trainable: true,
            ..Text::default()
        },
        ..Model::default()
    }
}

/// A slot that masks these modalities, a part of the tokens kept, with sentences 0, 1, 0, 1, ...
pub(crate) fn slot(config: &Model, modality: &[Modality]) -> SlotBatch {
    let n_samples = modality.len() as u32;
    let n_tokens = PatchGrid::new(config).n_tokens() as u32;
    let wave = |step: f32| {
        let n_voxels = modality.len() * config.stack.iter().product::<usize>();
        let voxel = |i| 0.5 + 0.5 * (i as f32 * step).sin();
        (0..n_voxels).map(voxel).collect()
    };
    // Seven is prime to every grid used, so each row is a permutation.
    let order = |sample: u32| (0..n_tokens).map(|i| (7 * i + sample) % n_tokens).collect();
    let orders: Vec<Vec<u32>> = (0..n_samples).map(order).collect();
    SlotBatch {
        pet: wave(0.37),
        ct: wave(0.11),
        masks: Masks::from_permutations(modality.to_vec(), &orders, config.mask_ratio),
        tokens: (0..n_samples)
            .map(|sample| vec![49406, 320 + sample % 2, 1126, 49407])
            .collect(),
    }
}
