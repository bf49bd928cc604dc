//! What tests do with the tiny model.

use super::Modality;
pub(crate) use super::tiny_slot::config;
use crate::slot::{SlotBatch, SlotForward};
use crate::{Device, DeviceKind, FratMae, ModelConfig, contrast};

pub(crate) fn device() -> Device {
    crate::open(DeviceKind::Cpu).unwrap()
}

/// A slot of the tiny model: PET and CT masked in turn, half of the tokens kept, sentences 0, 1, 0, 1, ...
pub(crate) fn batch(n_samples: usize) -> SlotBatch {
    slot(&config(), n_samples)
}

/// The same for any config.
pub(crate) fn slot(config: &ModelConfig, n_samples: usize) -> SlotBatch {
    let in_turn = [Modality::Pet, Modality::Ct].into_iter().cycle();
    let modality: Vec<_> = in_turn.take(n_samples).collect();
    super::tiny_slot::slot(config, &modality)
}

/// The whole loss of a slot that is the global batch, and its gradient, by the same steps as a worker takes.
pub(crate) fn loss_and_gradient(model: &FratMae, batch: &SlotBatch) -> (f64, Vec<f32>) {
    let device = device();
    let forward = model.forward(batch, &device).unwrap();
    let n_samples = batch.n_samples() as f32;
    let stats = forward.stats().unwrap();
    let error = stats.pet.squared_error + stats.ct.squared_error;
    let contrast = model.context_align.as_ref();
    let contrast = contrast.map(|_| contrast_of(model, &forward, batch));
    let grads = contrast.as_ref();
    let grads = grads.map(|c| (&c.pet_gradient[..], &c.text_gradient[..]));
    // Memory that was used before, and must not show.
    let spare = vec![f32::NAN; model.parameters().iter().map(|p| p.gradient.len()).sum()];
    let gradient = model.backward(forward, 1.0 / n_samples, grads, spare);
    let loss = contrast.map_or(0.0, |contrast| contrast.loss);
    (loss + error / f64::from(n_samples), gradient.unwrap())
}

/// Goes down the gradient of one slot again and again; what comes of the model, and the loss before each step.
pub(crate) fn descend(
    mut model: FratMae,
    batch: &SlotBatch,
    n_steps: usize,
) -> (FratMae, Vec<f64>) {
    let mut losses = Vec::with_capacity(n_steps);
    for _ in 0..n_steps {
        let (loss, gradient) = loss_and_gradient(&model, batch);
        losses.push(loss);
        let mut flat = model.to_flat();
        for parameter in model.parameters().iter().filter(|p| p.learns()) {
            let own = flat[parameter.offset..].iter_mut();
            for (value, grad) in own.zip(&gradient[parameter.gradient.clone()]) {
                *value -= 0.2 * grad;
            }
        }
        model = model.with_flat(&flat).unwrap();
    }
    (model, losses)
}

fn contrast_of(model: &FratMae, forward: &SlotForward, batch: &SlotBatch) -> crate::Contrast {
    let (pet, text) = forward.embeddings().unwrap();
    let groups: Vec<u32> = batch.tokens.iter().map(|ids| ids[1]).collect();
    let scale = model.logit_scale().into_scalar();
    contrast(&pet, &text, scale, &groups).unwrap()
}
