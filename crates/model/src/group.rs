//! The samples of a slot that mask one modality, and what is cut from their stacks on the host. It owns no weight.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::decoder::DecoderRows;
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
    /// The groups of a slot that have samples: those that mask PET, then those that mask CT.
    pub(crate) fn all(batch: &'a SlotBatch, grid: PatchGrid) -> Vec<Self> {
        let group = |masked| {
            let samples = batch.masks.samples_of(masked);
            (!samples.is_empty()).then(|| Self::of(batch, masked, samples, &batch.masks.keep, grid))
        };
        let groups = [Modality::Pet, Modality::Ct].map(group);
        groups.into_iter().flatten().collect()
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

    /// The visible patches of the masked modality, and their places in the stack.
    ///
    /// # Shapes
    ///
    /// -> `[samples, kept, voxels]`, `[samples * kept]`
    pub(crate) fn visible(&self, device: &Device) -> (Tensor<3>, Tensor<1, Int>) {
        let kept: Vec<i64> = self.keep.concat().into_iter().map(i64::from).collect();
        let patches = self.tensor(self.cut(self.masked, &self.keep), device);
        (patches, Tensor::from_data(kept.as_slice(), device))
    }

    /// All patches of the other modality.
    ///
    /// # Shapes
    ///
    /// -> `[samples, tokens, voxels]`
    pub(crate) fn other(&self, device: &Device) -> Tensor<3> {
        self.tensor(self.all_patches(self.masked.other()), device)
    }

    /// Where the decoder's tokens come from; `memory` is the group whose visible tokens it attends to, if the other
    /// modality is masked too.
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

    /// All patches of a modality, a sample after the other.
    pub(crate) fn all_patches(&self, modality: Modality) -> Vec<f32> {
        let all: Vec<u32> = (0..self.grid.n_tokens() as u32).collect();
        self.cut(modality, &vec![all.as_slice(); self.samples.len()])
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
