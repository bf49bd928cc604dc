//! Training on one batch that is at hand, without coordinator, store or peers.
//! It owns no arithmetic of its own: every number comes from what a run's steps use.

use crate::clip::{clip_factor, global_norm};
use crate::error::WorkerError;
use crate::optimizer::AdamW;
use crate::schedule::learning_rate;
use crate::step::LOGIT_SCALE;
use fratmae_checkpoint::State;
use fratmae_config::Train;
use fratmae_control::Step;
use fratmae_model::{Contrast, Device, FratMae, Parameter, SlotBatch, SlotForward, contrast};

/// A model that learns from batches handed to it, each of them one slot and a whole global batch.
pub struct Rehearsal {
    train: Train,
    device: Device,
    model: FratMae,
    parameters: Vec<Parameter>,
    optimizer: AdamW,
    state: State,
}

/// What one step came to.
#[derive(Debug, Clone, PartialEq)]
pub struct RehearsedStep {
    /// Reconstruction and weighted contrastive loss, before the update.
    pub loss: f64,
    /// The mean over samples of the mean squared error of hidden patches.
    pub reconstruction: f64,
    /// InfoNCE; zero without it.
    pub contrastive: f64,
    /// Norm of the gradient before clipping.
    pub norm: f64,
    /// The gradient before clipping: of every parameter that learns, each at [`Parameter::gradient`].
    pub gradient: Vec<f32>,
}

impl Rehearsal {
    /// Starts from a model at step 0.
    ///
    /// # Errors
    /// The device's.
    pub fn new(train: Train, model: FratMae, device: Device) -> Result<Self, WorkerError> {
        let parameters = model.parameters();
        let zeros = vec![0.0; parameters.iter().map(Parameter::len).sum()];
        Ok(Self {
            optimizer: AdamW::new(&train, &parameters),
            state: State {
                step: Step::new(0),
                // They lie in the model but for the moment of an update.
                parameters: Vec::new(),
                first_moment: zeros.clone(),
                second_moment: zeros,
            },
            train,
            device,
            model,
            parameters,
        })
    }

    /// The flat parameters after the last step.
    pub fn flat(&self) -> Vec<f32> {
        self.model.to_flat()
    }

    /// Applies the next step on one batch.
    ///
    /// # Errors
    /// The model's, about the batch or the device.
    pub fn step(&mut self, batch: &SlotBatch) -> Result<RehearsedStep, WorkerError> {
        let forward = self.model.forward(batch, &self.device)?;
        let figures = forward.figures;
        let contrast = self.contrast(&forward, batch)?;
        let gradient = self.gradient(forward, contrast.as_ref())?;
        let norm = global_norm(&gradient);
        self.state.step = self.state.step.next();
        let rate = learning_rate(&self.train, self.state.step.get());
        let clip = clip_factor(norm, self.train.clip_norm);
        self.state.parameters = self.model.release()?;
        self.optimizer
            .update(&mut self.state, &gradient, clip, rate);
        if let Some(place) = self.logit_scale().map(|scale| scale.offset) {
            let scale = &mut self.state.parameters[place];
            *scale = scale.clamp(LOGIT_SCALE.start, LOGIT_SCALE.end);
        }
        self.model
            .hold(std::mem::take(&mut self.state.parameters))?;
        let reconstruction = figures.reconstruction();
        let contrastive = contrast.map_or(0.0, |contrast| contrast.loss);
        Ok(RehearsedStep {
            loss: reconstruction + self.train.contrastive_weight * contrastive,
            reconstruction,
            contrastive,
            norm,
            gradient,
        })
    }

    fn contrast(
        &self,
        forward: &SlotForward,
        batch: &SlotBatch,
    ) -> Result<Option<Contrast>, WorkerError> {
        let Some(scale) = self.model.logit_scale_value()? else {
            return Ok(None);
        };
        let (pet, text) = forward.embeddings()?;
        let groups = groups(&batch.tokens);
        Ok(Some(contrast(&pet, &text, scale, &groups)?))
    }

    fn gradient(
        &self,
        forward: SlotForward,
        contrast: Option<&Contrast>,
    ) -> Result<Vec<f32>, WorkerError> {
        let weight = self.train.contrastive_weight as f32;
        let scaled = |slopes: &[f32]| slopes.iter().map(|slope| slope * weight).collect();
        let embeddings: Option<(Vec<f32>, Vec<f32>)> =
            contrast.map(|c| (scaled(&c.pet_gradient), scaled(&c.text_gradient)));
        let embeddings = embeddings.as_ref();
        let embeddings = embeddings.map(|(pet, text)| (pet.as_slice(), text.as_slice()));
        let samples = forward.pet_embedding.dims()[0] as f32;
        let mut gradient = self
            .model
            .backward(forward, 1.0 / samples, embeddings, Vec::new())?;
        if let (Some(scale), Some(contrast)) = (self.logit_scale(), contrast) {
            gradient[scale.gradient.start] += contrast.logit_scale_gradient * weight;
        }
        Ok(gradient)
    }

    fn logit_scale(&self) -> Option<&Parameter> {
        let mut parameters = self.parameters.iter();
        parameters.find(|parameter| parameter.name == "logit_scale")
    }
}

/// A number a sentence: equal sentences share it.
fn groups(sentences: &[Vec<u32>]) -> Vec<u32> {
    let first = |sentence| sentences.iter().position(|other| other == sentence);
    sentences
        .iter()
        .map(|sentence| u32::try_from(first(sentence).unwrap_or(0)).unwrap_or(u32::MAX))
        .collect()
}

#[cfg(test)]
mod tests;
