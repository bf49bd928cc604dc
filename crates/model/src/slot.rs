//! A slot going into the model and coming out: its checks and its statistics. The network is not here.

use std::ops::AddAssign;

use burn::tensor::{Device, Tensor};
use rayon::prelude::*;

use crate::error::ModelError;
use crate::masking::{Masks, Modality};
use crate::patchify::PatchGrid;
use crate::text::VOCABULARY;

/// The samples of one micro-batch.
///
/// # Shapes
///
/// B samples; `pet` and `ct` are B stacks of D*H*W voxels in [0, 1], row-major
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SlotBatch {
    pub pet: Vec<f32>,
    pub ct: Vec<f32>,
    /// What each sample hides.
    pub masks: Masks,
    /// Each sample's sentence as CLIP token ids; not read without the contrastive loss.
    pub tokens: Vec<Vec<u32>>,
}

impl SlotBatch {
    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.masks.modality.len()
    }

    pub(crate) fn stacks(&self, modality: Modality) -> &[f32] {
        match modality {
            Modality::Pet => &self.pet,
            Modality::Ct => &self.ct,
        }
    }

    /// Refuses a slot that the model cannot run on.
    pub(crate) fn check(&self, grid: PatchGrid, with_text: bool) -> Result<(), ModelError> {
        let n_samples = self.n_samples();
        if n_samples == 0 {
            return Err(ModelError::EmptySlot);
        }
        let voxels = n_samples * grid.n_stack_voxels();
        check_length("PET voxels", self.pet.len(), voxels)?;
        check_length("CT voxels", self.ct.len(), voxels)?;
        check_length("masks", self.masks.keep.len(), n_samples)?;
        if self.masks.is_symmetric() {
            let found = self.masks.keep_other.len();
            check_length("masks of the other modality", found, n_samples)?;
        }
        self.masks.check(grid.n_tokens())?;
        if with_text {
            check_length("sentences", self.tokens.len(), n_samples)?;
            check_sentences(&self.tokens)?;
        }
        Ok(())
    }
}

fn check_length(part: &'static str, found: usize, expected: usize) -> Result<(), ModelError> {
    if found == expected {
        return Ok(());
    }
    Err(ModelError::Length {
        part,
        found,
        expected,
    })
}

fn check_sentences(sentences: &[Vec<u32>]) -> Result<(), ModelError> {
    let is_bad = |ids: &Vec<u32>| ids.is_empty() || ids.iter().any(|&id| id as usize >= VOCABULARY);
    match sentences.iter().position(is_bad) {
        None => Ok(()),
        Some(sample) => Err(ModelError::BadSentence {
            sample,
            vocabulary: VOCABULARY,
        }),
    }
}

/// What the model makes of a slot; the tensors are still connected to the parameters in burn's graph.
#[derive(Debug, Clone)]
pub struct SlotForward {
    /// The sum over the slot's samples of each sample's mean squared error on its hidden patches, `[1]`.
    pub reconstruction: Tensor<1>,
    /// PET's embedding of each sample, `[B, embedding]`, of length one; zeros without the contrastive loss.
    pub pet_embedding: Tensor<2>,
    /// Its sentence's embedding, likewise.
    pub text_embedding: Tensor<2>,
    reconstructions: Vec<Reconstruction>,
}

/// What the model makes of the samples that mask one modality.
pub(crate) struct GroupForward {
    pub(crate) samples: Vec<usize>,
    /// The sum of their errors, `[1]`.
    pub(crate) loss: Tensor<1>,
    /// PET's class tokens, `[samples, width]`.
    pub(crate) pet_class: Tensor<2>,
    /// Of the masked modality, or of both.
    pub(crate) reconstructions: Vec<Reconstruction>,
}

/// What a decoder has rebuilt of one modality.
#[derive(Debug, Clone)]
pub(crate) struct Reconstruction {
    pub(crate) masked: Modality,
    /// The sum over samples of their mean squared errors, `[1]`.
    pub(crate) loss: Tensor<1>,
    /// What is known without the device: all but the error.
    pub(crate) targets: ModalityStats,
}

impl SlotForward {
    pub(crate) fn new(
        groups: Vec<GroupForward>,
        pet_embedding: Tensor<2>,
        text_embedding: Tensor<2>,
        device: &Device,
    ) -> Self {
        let mut reconstruction = Tensor::zeros([1], device);
        let mut reconstructions = Vec::with_capacity(2);
        for group in groups {
            reconstruction = reconstruction + group.loss;
            reconstructions.extend(group.reconstructions);
        }
        Self {
            reconstruction,
            pet_embedding,
            text_embedding,
            reconstructions,
        }
    }

    /// The slot's sums, once the device has computed its errors.
    ///
    /// # Errors
    ///
    /// [`ModelError::DeviceFailed`] when the device does not give them back.
    pub fn stats(&self) -> Result<SlotStats, ModelError> {
        let mut stats = SlotStats::default();
        for part in &self.reconstructions {
            let error = part.loss.clone().try_into_scalar::<f32>();
            *stats.of(part.masked) += ModalityStats {
                squared_error: error.map_err(ModelError::device)?.into(),
                ..part.targets
            };
        }
        Ok(stats)
    }

    /// The scalar that [`crate::FratMae::backward`] runs back from.
    pub(crate) fn total(
        &self,
        weight: f32,
        embedding_gradients: Option<(&[f32], &[f32])>,
    ) -> Result<Tensor<1>, ModelError> {
        let mut total = self.reconstruction.clone().mul_scalar(weight);
        if let Some((pet, text)) = embedding_gradients {
            total = total + inner_product(&self.pet_embedding, pet, "PET embedding gradient")?;
            total = total + inner_product(&self.text_embedding, text, "text embedding gradient")?;
        }
        if !total.is_tracked() {
            return Err(ModelError::device(
                "it keeps no gradients; open it with this crate's open",
            ));
        }
        Ok(total)
    }

    /// Copies PET's and the sentences' embeddings out, for whoever gathers them across ranks.
    ///
    /// # Shapes
    ///
    /// both `[B, embedding]`, row-major
    ///
    /// # Errors
    ///
    /// [`ModelError::DeviceFailed`] when the device does not give them back.
    pub fn embeddings(&self) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
        let read = |embedding: &Tensor<2>| {
            embedding
                .clone()
                .try_into_vec_as()
                .map_err(ModelError::device)
        };
        Ok((read(&self.pet_embedding)?, read(&self.text_embedding)?))
    }
}

/// The scalar whose gradient by the embedding is the one given.
fn inner_product(
    embedding: &Tensor<2>,
    gradient: &[f32],
    part: &'static str,
) -> Result<Tensor<1>, ModelError> {
    let shape = embedding.dims();
    check_length(part, gradient.len(), shape[0] * shape[1])?;
    let gradient = Tensor::<1>::from_data(gradient, &embedding.device()).reshape(shape);
    Ok((embedding.clone() * gradient).sum())
}

/// Sums over a slot's samples, in the slot's order; they add up over slots.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SlotStats {
    /// Of the samples whose PET is masked.
    pub pet: ModalityStats,
    /// Of the samples whose CT is masked.
    pub ct: ModalityStats,
}

impl SlotStats {
    /// Of the samples that mask this modality.
    fn of(&mut self, masked: Modality) -> &mut ModalityStats {
        match masked {
            Modality::Pet => &mut self.pet,
            Modality::Ct => &mut self.ct,
        }
    }

    /// The mean over samples, and over both of a sample's modalities where both are masked, of the squared error.
    pub fn reconstruction(&self) -> f64 {
        let n = self.pet.samples + self.ct.samples;
        (self.pet.squared_error + self.ct.squared_error) / n.max(1) as f64
    }
}

impl AddAssign for SlotStats {
    fn add_assign(&mut self, other: Self) {
        self.pet += other.pet;
        self.ct += other.ct;
    }
}

/// Sums over the samples that mask one modality.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ModalityStats {
    /// Sum of the samples' mean squared errors.
    pub squared_error: f64,
    pub samples: u64,
    /// Sum of the hidden voxels, as the loss sees them.
    pub target_sum: f64,
    /// Sum of their squares.
    pub target_squares: f64,
    /// Number of hidden voxels.
    pub targets: u64,
}

impl ModalityStats {
    /// The stats of some samples but for their error.
    pub(crate) fn new(samples: usize, targets: &[f32]) -> Self {
        let (target_sum, target_squares) = sums(targets);
        Self {
            squared_error: 0.0,
            samples: samples as u64,
            target_sum,
            target_squares,
            targets: targets.len() as u64,
        }
    }

    /// The mean squared error over samples, if there are any.
    pub fn mean_squared_error(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.squared_error / self.samples as f64)
    }

    /// The error of always predicting the mean of the hidden voxels: their variance, if there are any.
    pub fn baseline(&self) -> Option<f64> {
        let n = self.targets as f64;
        (self.targets > 0).then(|| self.target_squares / n - (self.target_sum / n).powi(2))
    }
}

/// The sum of some numbers and of their squares, piece by piece in a fixed order.
fn sums(values: &[f32]) -> (f64, f64) {
    const PIECE: usize = 1 << 12;
    let of_piece = |piece: &[f32]| {
        let wide = || piece.iter().map(|&x| f64::from(x));
        (wide().sum::<f64>(), wide().map(|x| x * x).sum::<f64>())
    };
    let pieces: Vec<_> = values.par_chunks(PIECE).map(of_piece).collect();
    let add = |sum: (f64, f64), piece: (f64, f64)| (sum.0 + piece.0, sum.1 + piece.1);
    pieces.into_iter().fold((0.0, 0.0), add)
}

impl AddAssign for ModalityStats {
    fn add_assign(&mut self, other: Self) {
        self.squared_error += other.squared_error;
        self.samples += other.samples;
        self.target_sum += other.target_sum;
        self.target_squares += other.target_squares;
        self.targets += other.targets;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::tiny;

    fn refusal(spoil: impl FnOnce(&mut SlotBatch)) -> ModelError {
        let config = tiny::config();
        let mut batch = tiny::batch(2);
        spoil(&mut batch);
        batch
            .check(PatchGrid::new(&config), config.contrastive)
            .unwrap_err()
    }

    #[test]
    fn a_slot_that_does_not_fit_is_refused() {
        assert_eq!(
            refusal(|batch| *batch = SlotBatch::default()),
            ModelError::EmptySlot
        );
        let short = |found, part, expected| ModelError::Length {
            part,
            found,
            expected,
        };
        assert_eq!(
            refusal(|batch| batch.pet.truncate(7)),
            short(7, "PET voxels", 768)
        );
        assert_eq!(
            refusal(|batch| batch.ct.push(0.0)),
            short(769, "CT voxels", 768)
        );
        assert_eq!(
            refusal(|batch| batch.masks.keep.truncate(1)),
            short(1, "masks", 2)
        );
        assert_eq!(
            refusal(|batch| batch.tokens.truncate(1)),
            short(1, "sentences", 2)
        );
    }

    #[test]
    fn a_sentence_outside_the_vocabulary_is_refused() {
        for sentence in [vec![], vec![49406, 49408]] {
            let found = refusal(|batch| batch.tokens[1] = sentence);
            assert!(matches!(found, ModelError::BadSentence { sample: 1, .. }));
        }
    }

    #[test]
    fn the_baseline_is_the_variance_of_the_targets() {
        let of = |squared_error| ModalityStats {
            squared_error,
            ..ModalityStats::new(1, &[1.0, 3.0])
        };
        let mut stats = of(0.5);
        stats += of(1.5);
        assert_eq!(stats.mean_squared_error(), Some(1.0));
        assert_eq!(stats.baseline(), Some(1.0));
        assert_eq!(ModalityStats::default().baseline(), None);
        assert_eq!(ModalityStats::default().mean_squared_error(), None);
    }
}
