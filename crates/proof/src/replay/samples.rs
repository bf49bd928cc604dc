//! What each sample of a step comes to by itself, at the weights before the step.
//!
//! The same task is opened with slots of one sample, so that a slot's figures and gradient are a sample's. Gradients are of
//! the loss of the whole batch, through this sample alone: they add up to the batch's gradient.

use super::Opened;
use crate::error::ProofError;
use fratmae_dataset::{Sample, Stack};
use fratmae_telemetry::Metrics;
use fratmae_trainer::Task;
use serde::Serialize;
use std::borrow::Cow;

/// A sample by itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SampleFigures {
    /// Its slot in the step.
    pub slot: usize,
    /// Its place in the order of samples.
    pub position: u64,
    pub epoch: u64,
    /// The number of its case.
    pub case: u32,
    pub case_id: String,
    /// The metrics of a batch that is this sample.
    pub metrics: Metrics,
    /// The norm of the gradient of the batch's loss through this sample.
    pub gradient_norm: f64,
}

/// The samples of a step, in slot order.
#[derive(Clone, Debug)]
pub struct StepSamples {
    pub figures: Vec<SampleFigures>,
    /// What the model saw, in the same order.
    pub stacks: Vec<Stack>,
    /// The flat weights that it saw it with.
    pub weights: Vec<f32>,
}

/// The samples of a slot as slots of their own, each with what a task drew for it in the slot.
pub type Split<T> = fn(&T, &[Stack]) -> Vec<<T as Task>::Batch>;

/// The task, with slots of one sample.
pub(super) struct Probe<T: Task> {
    task: T,
    split: Split<T>,
}

impl<T: Task> Probe<T> {
    pub(super) fn open(opened: &Opened<'_>, split: Split<T>) -> Result<Self, ProofError> {
        let mut config = opened.config.clone();
        config.train.slots = config.train.batch;
        let task = opened.task(&config)?;
        Ok(Self { task, split })
    }

    /// Looks at the samples of a step one by one.
    pub(super) fn look<'a>(
        &mut self,
        weights: Cow<'_, [f32]>,
        stacks: impl Iterator<Item = &'a Stack>,
        slot_size: usize,
    ) -> Result<StepSamples, ProofError> {
        let stacks: Vec<Stack> = stacks.cloned().collect();
        let weights = weights.into_owned();
        self.task.load(weights.clone())?;
        let figures = self.figures(&stacks, slot_size);
        self.task.unload()?;
        Ok(StepSamples {
            figures: figures?,
            stacks,
            weights,
        })
    }

    fn figures(
        &mut self,
        stacks: &[Stack],
        slot_size: usize,
    ) -> Result<Vec<SampleFigures>, ProofError> {
        let (mut forwards, mut messages) = (Vec::new(), Vec::new());
        for slot in stacks.chunks(slot_size) {
            for batch in (self.split)(&self.task, slot) {
                let started = self.task.start(batch)?;
                let (forward, message) = self.task.finish(started)?;
                forwards.push(forward);
                messages.push(message);
            }
        }
        let global = self.task.global(&messages)?;
        let mut figures = Vec::with_capacity(stacks.len());
        for (at, (forward, message)) in forwards.into_iter().zip(messages).enumerate() {
            let gradient = self.task.backward(forward, at, &global, Vec::new())?;
            let alone = T::metrics(&self.task.global(&[message])?);
            let Sample {
                position,
                epoch,
                case,
            } = stacks[at].sample;
            figures.push(SampleFigures {
                slot: at / slot_size,
                position,
                epoch,
                case,
                case_id: stacks[at].case_id.clone(),
                metrics: alone
                    .into_iter()
                    .map(|(name, value)| (name, value.unwrap_or(f64::NAN)))
                    .collect(),
                gradient_norm: norm(&gradient),
            });
        }
        Ok(figures)
    }
}

fn norm(gradient: &[f32]) -> f64 {
    let squares = gradient.iter().map(|&x| f64::from(x) * f64::from(x));
    squares.sum::<f64>().sqrt()
}
