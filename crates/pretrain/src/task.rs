//! FratMAE's pretraining (arXiv 2503.02824v1) as the engine sees it.

use crate::error::PretrainError;
use crate::first_weights::first_weights;
use crate::masks::Masker;
use crate::message::{Global, SlotMessage};
use fratmae_config::{Config, Precision};
use fratmae_dataset::{SampleOrder, Stack};
use fratmae_model::{
    Device, DeviceKind, DeviceVector, FratMae, Masks, Parameter, SlotBatch, SlotForward, Tokenizer,
    costs,
};
use fratmae_trainer::{Opening, Operations, Samples, SharedWeights, Task, TaskError};
use std::ops::Range;

/// The limits between which the log of the inverse temperature is held (as CLIP does): 0 and ln 100.
const LOGIT_SCALE: Range<f32> = 0.0..4.605_170_2;

/// Pretraining: reconstruction of every sample, and InfoNCE over the global batch.
pub struct Pretrain {
    model: FratMae,
    parameters: Vec<Parameter>,
    config: Config,
    order: SampleOrder,
    masker: Masker,
    tokenizer: Tokenizer,
    device: Device,
}

/// The input of a slot.
#[derive(Clone, Debug)]
pub enum Batch {
    /// What the loader gives.
    Stacks(Vec<Stack>),
    /// What is given with its masks and tokens; sentences are told apart by their tokens.
    Ready(SlotBatch),
}

impl From<Vec<Stack>> for Batch {
    fn from(stacks: Vec<Stack>) -> Self {
        Self::Stacks(stacks)
    }
}

impl Pretrain {
    /// Trains a model that is there, on this device and as a job says.
    pub fn new(model: FratMae, config: &Config, n_cases: u32, device: &Device) -> Self {
        Self {
            parameters: model.parameters(),
            model,
            order: SampleOrder {
                seed: config.run.seed,
                cases: n_cases,
            },
            masker: Masker::new(config),
            tokenizer: Tokenizer::new(),
            config: config.clone(),
            device: device.clone(),
        }
    }

    /// The model; between steps its weights are in the state.
    pub const fn model(&self) -> &FratMae {
        &self.model
    }

    /// Draws what is hidden of a slot's samples, and numbers their sentences.
    fn ready(&self, stacks: &[Stack]) -> (SlotBatch, Vec<u64>) {
        let samples: Vec<_> = stacks.iter().map(|stack| stack.sample).collect();
        let sentences = || stacks.iter().map(|stack| stack.sentence.as_str());
        let slot = SlotBatch {
            pet: concat(stacks, |stack| &stack.pet),
            ct: concat(stacks, |stack| &stack.ct),
            masks: self.masker.draw(&samples),
            tokens: sentences().map(|s| self.tokenizer.encode(s)).collect(),
        };
        let numbers = sentences().map(|sentence| number(sentence.as_bytes()));
        (slot, numbers.collect())
    }

    /// The samples of a slot as slots of their own, each with what was drawn for it in the slot.
    pub fn split(&self, stacks: &[Stack]) -> Vec<Batch> {
        let (slot, _) = self.ready(stacks);
        let n_voxels = slot.pet.len() / stacks.len().max(1);
        let alone = |at: usize| {
            let voxels = at * n_voxels..(at + 1) * n_voxels;
            let other = slot.masks.keep_other.get(at);
            let masks = Masks {
                modality: vec![slot.masks.modality[at]],
                keep: vec![slot.masks.keep[at].clone()],
                keep_other: other.into_iter().cloned().collect(),
            };
            Batch::Ready(SlotBatch {
                pet: slot.pet[voxels.clone()].to_vec(),
                ct: slot.ct[voxels].to_vec(),
                masks,
                tokens: vec![slot.tokens[at].clone()],
            })
        };
        (0..stacks.len()).map(alone).collect()
    }

    fn slot_size(&self) -> usize {
        self.config.train.batch / self.config.train.slots
    }

    fn contrastive_weight(&self) -> f32 {
        self.config.train.contrastive_weight as f32
    }

    /// Where the temperature is in the flat vectors; nowhere without the contrastive loss.
    fn logit_scale(&self) -> Option<&Parameter> {
        self.parameters.iter().find(|p| p.name == "logit_scale")
    }

    /// The weighted contrastive gradients at one slot's embeddings.
    fn embedding_gradients(&self, global: &Global, slot: usize) -> Option<(Vec<f32>, Vec<f32>)> {
        let contrast = global.contrast.as_ref()?;
        let values = self.slot_size() * self.config.model.embedding;
        let weight = self.contrastive_weight();
        let own = |all: &[f32]| {
            let own = &all[slot * values..][..values];
            own.iter().map(|g| g * weight).collect()
        };
        Some((own(&contrast.pet_gradient), own(&contrast.text_gradient)))
    }
}

impl Task for Pretrain {
    type Batch = Batch;
    type Started = (SlotForward, Vec<u64>);
    type Forward = SlotForward;
    type Message = SlotMessage;
    type Global = Global;

    fn open(opening: &Opening<'_>) -> Result<Self, TaskError> {
        let Opening {
            config,
            n_cases,
            kind,
            device,
        } = *opening;
        let precision = precision(config, kind)?;
        let recompute = config.workers.activation_checkpointing;
        let model = FratMae::zeros(&config.model, device)
            .with_activation_checkpointing(recompute)
            .with_precision(precision);
        Ok(Self::new(model, config, n_cases, device))
    }

    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn first_weights(&self) -> Result<Vec<f32>, TaskError> {
        let (weights, notes) = first_weights(&self.config, &self.parameters)?;
        notes.iter().for_each(|line| tracing::debug!("{line}"));
        Ok(weights)
    }

    fn load(&mut self, weights: Vec<f32>) -> Result<(), TaskError> {
        Ok(self.model.load(weights)?)
    }

    fn load_on_device(&mut self, weights: &DeviceVector) -> Result<(), TaskError> {
        Ok(self.model.load_on_device(weights)?)
    }

    fn share(&self) -> Result<SharedWeights, TaskError> {
        Ok(self.model.share()?)
    }

    fn unload(&mut self) -> Result<Vec<f32>, TaskError> {
        Ok(self.model.unload()?)
    }

    fn samples(&self, first: u64) -> Samples {
        Box::new(self.order.samples(first))
    }

    fn start(&mut self, batch: Batch) -> Result<Self::Started, TaskError> {
        let (slot, sentences) = match batch {
            Batch::Stacks(stacks) => self.ready(&stacks),
            Batch::Ready(slot) => {
                let sentences = slot.tokens.iter().map(|ids| of_tokens(ids)).collect();
                (slot, sentences)
            }
        };
        Ok((self.model.forward(&slot, &self.device)?, sentences))
    }

    fn finish(
        &mut self,
        (forward, sentences): Self::Started,
    ) -> Result<(SlotForward, SlotMessage), TaskError> {
        let stats = forward.stats()?;
        let embeddings = forward.embeddings()?;
        let message = SlotMessage::new(&stats, embeddings, sentences);
        Ok((forward, message))
    }

    fn is_finite(message: &SlotMessage) -> bool {
        message.is_finite()
    }

    fn message_fault(&self, message: &SlotMessage) -> Option<String> {
        message.fault(self.slot_size(), self.config.model.embedding)
    }

    fn global(&mut self, slots: &[SlotMessage]) -> Result<Global, TaskError> {
        let weight = self.config.train.contrastive_weight;
        Global::of(slots, self.model.logit_scale_value()?, weight)
    }

    fn loss(global: &Global) -> f64 {
        global.loss
    }

    fn metrics(global: &Global) -> Vec<(&'static str, Option<f64>)> {
        global.metrics()
    }

    fn backward(
        &mut self,
        forward: SlotForward,
        slot: usize,
        global: &Global,
        spare: Vec<f32>,
    ) -> Result<Vec<f32>, TaskError> {
        let gradients = self.embedding_gradients(global, slot);
        let gradients = gradients.as_ref().map(|(pet, text)| (&pet[..], &text[..]));
        let weight = 1.0 / self.config.train.batch as f32;
        Ok(self.model.backward(forward, weight, gradients, spare)?)
    }

    fn backward_on_device(
        &mut self,
        forward: SlotForward,
        slot: usize,
        global: &Global,
        _device: &Device,
    ) -> Result<DeviceVector, TaskError> {
        let gradients = self.embedding_gradients(global, slot);
        let gradients = gradients.as_ref().map(|(pet, text)| (&pet[..], &text[..]));
        let weight = 1.0 / self.config.train.batch as f32;
        let model = &self.model;
        Ok(model.backward_on_device(forward, weight, gradients)?)
    }

    /// The temperature is of the whole batch.
    fn global_gradient(&self, global: &Global) -> Vec<(usize, f32)> {
        let scale = self.logit_scale().zip(global.contrast.as_ref());
        let gradient = scale.map(|(scale, contrast)| {
            let gradient = contrast.logit_scale_gradient * self.contrastive_weight();
            (scale.gradient.start, gradient)
        });
        gradient.into_iter().collect()
    }

    fn bounds(&self) -> Vec<(usize, Range<f32>)> {
        let scale = self.logit_scale();
        scale
            .map(|scale| (scale.offset, LOGIT_SCALE))
            .into_iter()
            .collect()
    }

    fn operations(&self) -> Operations {
        let (mut forward, mut step) = (0.0, 0.0);
        for part in costs(&self.config.model, &self.parameters) {
            forward += part.forward_flops;
            step += part.step_flops;
        }
        if self.config.workers.activation_checkpointing {
            // The backward pass computes again what was not kept.
            step += forward;
        }
        let slot_size = self.slot_size() as f64;
        Operations {
            forward: forward * slot_size,
            backward: (step - forward) * slot_size,
        }
    }
}

fn concat(stacks: &[Stack], voxels: impl Fn(&Stack) -> &[f32]) -> Vec<f32> {
    let voxels: Vec<_> = stacks.iter().map(voxels).collect();
    voxels.concat()
}

fn of_tokens(ids: &[u32]) -> u64 {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    number(&bytes)
}

/// Equal for equal sentences, on every host.
fn number(sentence: &[u8]) -> u64 {
    let digest = blake3::hash(sentence);
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// The precision that the job asks for. The CPU has kernels for f32 alone, and a job that asks for less must not get
/// more without being told.
fn precision(config: &Config, kind: DeviceKind) -> Result<Precision, PretrainError> {
    match (config.train.precision, kind) {
        (Precision::Bf16, DeviceKind::Cpu) => Err(PretrainError::NoHalfPrecision),
        (precision, _) => Ok(precision),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_told_apart_by_their_text_alone() {
        assert_eq!(number(b"a PET scan"), number(b"a PET scan"));
        assert_ne!(number(b"a PET scan"), number(b"a CT scan"));
    }

    #[test]
    fn the_temperature_is_held_between_one_and_a_hundred() {
        assert!((LOGIT_SCALE.end.exp() - 100.0).abs() < 1e-3);
        assert!((LOGIT_SCALE.start.exp() - 1.0).abs() < 1e-7);
    }

    #[test]
    fn half_precision_is_for_gpus() {
        let mut config = Config::default();
        let gpu = DeviceKind::Cuda { index: 0 };
        for (asked, on_cpu) in [(Precision::F32, true), (Precision::Bf16, false)] {
            config.train.precision = asked;
            assert_eq!(precision(&config, gpu).unwrap(), asked);
            assert_eq!(precision(&config, DeviceKind::Cpu).is_ok(), on_cpu);
        }
    }
}
