//! The samples of a slot that mask one modality, and what is cut from their stacks on the host. It owns no weight.

use burn::tensor::{Device, Tensor, TensorData};

use crate::decoder::DecoderRows;
use crate::fratmae::FratMae;
use crate::loss::normalise_patches;
use crate::masking::{Modality, hidden};
use crate::patchify::PatchGrid;
use crate::slot::SlotBatch;

/// Samples of one slot, all with the same modality masked.
pub(crate) struct MaskedGroup<'a> {
    batch: &'a SlotBatch,
    pub(crate) masked: Modality,
    pub(crate) samples: Vec<usize>,
    keep: Vec<&'a [u32]>,
    hidden: Vec<Vec<u32>>,
    grid: PatchGrid,
}

impl<'a> MaskedGroup<'a> {
    pub(crate) fn new(batch: &'a SlotBatch, masked: Modality, grid: PatchGrid) -> Self {
        let samples = batch.masks.samples_of(masked);
        Self::of(batch, masked, samples, &batch.masks.keep, grid)
    }

    /// The same samples seen from their other modality, where that is masked too.
    pub(crate) fn mirror(&self) -> Option<Self> {
        let masks = &self.batch.masks;
        let (other, samples) = (self.masked.other(), self.samples.clone());
        masks
            .is_symmetric()
            .then(|| Self::of(self.batch, other, samples, &masks.keep_other, self.grid))
    }

    fn of(
        batch: &'a SlotBatch,
        masked: Modality,
        samples: Vec<usize>,
        keep: &'a [Vec<u32>],
        grid: PatchGrid,
    ) -> Self {
        let keep: Vec<&[u32]> = samples.iter().map(|&s| keep[s].as_slice()).collect();
        let hidden = keep.iter().map(|keep| hidden(keep, grid.n_tokens()));
        Self {
            hidden: hidden.collect(),
            batch,
            masked,
            samples,
            keep,
            grid,
        }
    }

    /// What the masked modality's encoder makes of the visible patches.
    ///
    /// # Shapes
    ///
    /// -> `[samples, 1 + kept, width]`
    pub(crate) fn encode_visible(&self, model: &FratMae, device: &Device) -> Tensor<3> {
        let kept: Vec<i64> = self.keep.concat().into_iter().map(i64::from).collect();
        let patches = self.tensor(self.cut(self.masked, &self.keep), device);
        let encoder = model.encoder(self.masked);
        encoder.forward_visible(patches, Tensor::from_data(kept.as_slice(), device))
    }

    /// What the other modality's encoder makes of all its patches.
    ///
    /// # Shapes
    ///
    /// -> `[samples, 1 + tokens, width]`
    pub(crate) fn encode_other(&self, model: &FratMae, device: &Device) -> Tensor<3> {
        let other = self.masked.other();
        let all: Vec<u32> = (0..self.grid.n_tokens() as u32).collect();
        let tokens = vec![all.as_slice(); self.samples.len()];
        let patches = self.tensor(self.cut(other, &tokens), device);
        model.encoder(other).forward_whole(patches)
    }

    /// Where the decoder's tokens come from; `memory` is the group whose visible tokens it looks at, if not at all.
    pub(crate) fn rows(&self, memory: Option<&Self>, device: &Device) -> DecoderRows {
        let rows = DecoderRows::new(&self.keep, &self.hidden, self.grid.n_tokens(), device);
        match memory {
            None => rows,
            Some(memory) => rows.over(&memory.keep, device),
        }
    }

    /// The hidden patches, as the loss compares with them.
    pub(crate) fn target(&self, norm_pix: bool) -> Vec<f32> {
        let hidden: Vec<&[u32]> = self.hidden.iter().map(Vec::as_slice).collect();
        let mut patches = self.cut(self.masked, &hidden);
        if norm_pix {
            normalise_patches(&mut patches, self.grid.n_patch_voxels());
        }
        patches
    }

    /// All patches of the masked modality, a sample after the other.
    pub(crate) fn all_patches(&self) -> Vec<f32> {
        let all: Vec<u32> = (0..self.grid.n_tokens() as u32).collect();
        self.cut(self.masked, &vec![all.as_slice(); self.samples.len()])
    }

    /// The hidden tokens of each sample, ascending.
    pub(crate) fn hidden(&self) -> &[Vec<u32>] {
        &self.hidden
    }

    fn cut(&self, modality: Modality, tokens: &[&[u32]]) -> Vec<f32> {
        let of_sample = |(&sample, tokens): (&usize, &&[u32])| {
            let patch = move |&token: &u32| (sample, token);
            tokens.iter().map(patch).collect::<Vec<_>>()
        };
        let patches = self.samples.iter().zip(tokens).flat_map(of_sample);
        let patches: Vec<_> = patches.collect();
        self.grid.gather(self.batch.stacks(modality), &patches)
    }

    /// `[samples, tokens of each, voxels]`
    fn tensor(&self, patches: Vec<f32>, device: &Device) -> Tensor<3> {
        let (n_samples, n_voxels) = (self.samples.len(), self.grid.n_patch_voxels());
        let n_tokens = patches.len() / (n_samples * n_voxels);
        let data = TensorData::new(patches, [n_samples, n_tokens, n_voxels]);
        Tensor::from_data(data, device)
    }
}
