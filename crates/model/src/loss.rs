//! The two losses and their normalisation: reconstruction of hidden patches and InfoNCE over the global batch.

use std::sync::Arc;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};

use crate::error::ModelError;
use crate::fused::{SquaredErrorOp, apply, input};

/// [`reconstruction`] of a target that is a plain vector, as one fused part on the CPU.
pub(crate) fn reconstruction_of(
    prediction: Tensor<2>,
    target: Vec<f32>,
    n_samples: usize,
) -> Tensor<1> {
    let shape = prediction.dims();
    let Some(on_cpu) = input(&prediction) else {
        let target = TensorData::new(target, shape);
        let target = Tensor::from_data(target, &prediction.device());
        return reconstruction(prediction, target, n_samples);
    };
    let op = SquaredErrorOp {
        target: Arc::new(target),
        weight: n_samples as f32 / shape[0] as f32,
    };
    apply(op, [on_cpu])
}

/// The sum over samples of the mean over their hidden patches of each patch's mean squared error (paper: L_MSE).
///
/// # Shapes
///
/// prediction and target `[samples * hidden, voxels]` -> `[1]`
pub(crate) fn reconstruction(
    prediction: Tensor<2>,
    target: Tensor<2>,
    n_samples: usize,
) -> Tensor<1> {
    let n_hidden = prediction.dims()[0] / n_samples;
    // Patches first, then their sum: burn adds four million numbers and more in an order that depends on threads.
    let per_patch = (prediction - target).square().mean_dim(1);
    per_patch.sum().div_scalar(n_hidden as f64)
}

/// Normalises each patch by its own mean and unbiased variance, as MAE's `norm_pix_loss` does.
pub(crate) fn normalise_patches(patches: &mut [f32], n_voxels: usize) {
    for patch in patches.chunks_exact_mut(n_voxels) {
        let n = n_voxels as f64;
        let mean = patch.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let squares: f64 = patch.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum();
        let deviation = (squares / (n - 1.0).max(1.0) + 1e-6).sqrt();
        for voxel in patch {
            *voxel = ((f64::from(*voxel) - mean) / deviation) as f32;
        }
    }
}

/// Symmetric InfoNCE over the global batch: the mean of PET-to-text and text-to-PET (paper: L_InfoNCE).
///
/// Identical sentences are one target spread evenly, since none of them is wrong for any of their images. With all
/// sentences distinct this is plain InfoNCE. `logit_scale` is the log of the inverse temperature.
///
/// # Shapes
///
/// pet and text `[batch, embedding]`, of length one; logit_scale `[1]`; one group number a row -> `[1]`
pub fn contrastive(
    pet: Tensor<2>,
    text: Tensor<2>,
    logit_scale: Tensor<1>,
    sentence_group: &[u32],
) -> Tensor<1> {
    let batch = sentence_group.len();
    let targets = targets(sentence_group);
    let targets = Tensor::<1>::from_data(targets.as_slice(), &pet.device()).reshape([batch, batch]);
    let logits = pet.matmul(text.transpose()) * logit_scale.exp().unsqueeze();
    // The targets are symmetric, so one matrix serves both directions.
    let both = log_softmax(logits.clone(), 1) + log_softmax(logits.transpose(), 1);
    (both * targets).sum().div_scalar(-2.0 * batch as f64)
}

/// Row i holds 1 / n at the n rows of i's group.
fn targets(sentence_group: &[u32]) -> Vec<f32> {
    let of_row = |group: &u32| {
        let n_same = sentence_group
            .iter()
            .filter(|&other| other == group)
            .count();
        let share = 1.0 / n_same as f32;
        sentence_group
            .iter()
            .map(move |other| if other == group { share } else { 0.0 })
            .collect::<Vec<_>>()
    };
    sentence_group.iter().flat_map(of_row).collect()
}

/// The contrastive loss of a global batch and its gradients, as plain numbers for whoever gathered the embeddings.
#[derive(Debug, Clone, PartialEq)]
pub struct Contrast {
    pub loss: f64,
    /// Its gradient by the PET embeddings, `[batch, embedding]` row-major.
    pub pet_gradient: Vec<f32>,
    /// Its gradient by the text embeddings, likewise.
    pub text_gradient: Vec<f32>,
    /// Its gradient by the log of the inverse temperature; of the whole batch, so it counts once and not once a slot.
    pub logit_scale_gradient: f32,
}

/// Computes [`contrastive`] and its gradients on gathered embeddings, on the CPU.
///
/// Every rank computes this by itself and applies the temperature's gradient as it came out, so all must have the same
/// bits. GPUs do not promise that: each process chooses its matrix products by how fast they are just then.
///
/// # Shapes
///
/// pet and text: `[batch, embedding]` row-major, one group number a row
///
/// # Errors
///
/// [`ModelError::EmptySlot`] without rows, [`ModelError::Length`] when the two differ in length or are no whole rows,
/// [`ModelError::DeviceFailed`] when the device does not give the numbers back.
pub fn contrast(
    pet: &[f32],
    text: &[f32],
    logit_scale: f32,
    sentence_group: &[u32],
) -> Result<Contrast, ModelError> {
    let batch = sentence_group.len();
    check_rows(pet, text, batch)?;
    let device = Device::flex().autodiff();
    let leaf = |values: &[f32]| {
        Tensor::<1>::from_data(values, &device)
            .reshape([batch, values.len() / batch])
            .detach()
            .require_grad()
    };
    let (pet, text) = (leaf(pet), leaf(text));
    let scale = Tensor::<1>::from_data([logit_scale], &device).require_grad();
    let loss = contrastive(pet.clone(), text.clone(), scale.clone(), sentence_group);
    let gradients = loss.backward();
    let read = |leaf: &Tensor<2>| match leaf.grad(&gradients) {
        Some(gradient) => gradient.try_into_vec_as().map_err(ModelError::device),
        None => Ok(vec![0.0; batch * leaf.dims()[1]]),
    };
    Ok(Contrast {
        pet_gradient: read(&pet)?,
        text_gradient: read(&text)?,
        logit_scale_gradient: match scale.grad(&gradients) {
            Some(gradient) => gradient.try_into_scalar().map_err(ModelError::device)?,
            None => 0.0,
        },
        loss: loss
            .try_into_scalar::<f32>()
            .map_err(ModelError::device)?
            .into(),
    })
}

fn check_rows(pet: &[f32], text: &[f32], batch: usize) -> Result<(), ModelError> {
    if batch == 0 {
        return Err(ModelError::EmptySlot);
    }
    if text.len() != pet.len() {
        return Err(ModelError::Length {
            part: "text embeddings",
            found: text.len(),
            expected: pet.len(),
        });
    }
    if pet.is_empty() || !pet.len().is_multiple_of(batch) {
        return Err(ModelError::Length {
            part: "PET embeddings",
            found: pet.len(),
            expected: pet.len().div_ceil(batch).max(1) * batch,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
