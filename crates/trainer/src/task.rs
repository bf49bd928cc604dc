//! The seam between the engine and what it trains. It owns the trait only; a task is a crate of its own.

use checkpoint::SharedWeights;
use config::Config;
use dataset::{Sample, Stack};
use model::{Device, DeviceKind, DeviceVector, Parameter};
use std::ops::Range;

/// What a task fails with. Every rank computes alike, so it is the run's failure and no worker's.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// Samples in their order.
pub type Samples = Box<dyn Iterator<Item = Sample> + Send>;

/// What a task is opened with.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    pub config: &'a Config,
    /// Cases of the data set.
    pub n_cases: u32,
    /// The kind of the device.
    pub kind: DeviceKind,
    /// Where the model computes.
    pub device: &'a Device,
}

/// Floating-point operations of a slot's two passes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Operations {
    /// Of the forward pass.
    pub forward: f64,
    /// Of the backward pass.
    pub backward: f64,
}

/// What a model learns, and from what: pretraining is one task, a fine-tune another.
///
/// A step runs every slot forward, gathers a message of each from all ranks, computes from these messages what is global
/// (a loss over the whole batch, and its gradients), and then runs every slot back. All methods must be deterministic:
/// ranks never exchange what they compute from the same messages.
pub trait Task: Sized {
    /// The input of a micro-batch; a task may take others than stacks from a data set.
    type Batch: From<Vec<Stack>>;
    /// A forward pass that the device may still be at.
    type Started;
    /// What the backward pass needs of the forward pass.
    type Forward;
    /// What every rank receives about a slot.
    type Message: prost::Message + Default;
    /// What follows from the messages of all slots; the same on every rank.
    type Global;

    /// Whether its stacks are to carry their cases' labels, which costs reading them.
    const WANTS_LABELS: bool = false;

    /// Lays out a model for a job; its weights come later.
    ///
    /// # Errors
    /// What the job asks for and this device cannot do.
    fn open(opening: &Opening<'_>) -> Result<Self, TaskError>;

    /// The layout of the flat vectors.
    fn parameters(&self) -> &[Parameter];

    /// The flat parameters of step 0, a pure function of the job.
    ///
    /// # Errors
    /// Files of weights that the job names and that cannot be used.
    fn first_weights(&self) -> Result<Vec<f32>, TaskError>;

    /// Puts parameters into the model, without a copy where it computes in this machine's memory.
    ///
    /// # Errors
    /// The model's, if there are more or fewer than its own.
    fn load(&mut self, weights: Vec<f32>) -> Result<(), TaskError>;

    /// Puts parameters into the model that are on its device already.
    ///
    /// # Errors
    /// As [`Self::load`].
    fn load_on_device(&mut self, weights: &DeviceVector) -> Result<(), TaskError> {
        self.load(weights.clone().into_vec()?)
    }

    /// The parameters that [`Self::load`] put there, for another thread to read until [`Self::unload`].
    ///
    /// # Errors
    /// The model's, if there are none.
    fn share(&self) -> Result<SharedWeights, TaskError>;

    /// Takes the parameters out again, without a copy if nobody else holds them.
    ///
    /// # Errors
    /// As [`Self::share`].
    fn unload(&mut self) -> Result<Vec<f32>, TaskError>;

    /// The endless order of samples, from a position on.
    fn samples(&self, first: u64) -> Samples;

    /// Makes a slot ready and begins its forward pass; a GPU computes on while the next one is made ready.
    ///
    /// # Errors
    /// The model's, about its input.
    fn start(&mut self, batch: Self::Batch) -> Result<Self::Started, TaskError>;

    /// Waits for a forward pass, and says what every rank is to know of it.
    ///
    /// # Errors
    /// The device's.
    fn finish(
        &mut self,
        started: Self::Started,
    ) -> Result<(Self::Forward, Self::Message), TaskError>;

    /// Whether every number of a message is finite: the slot is not to blame for a loss that is not.
    fn is_finite(message: &Self::Message) -> bool;

    /// What of a slot's message does not have the job's shape, if anything: its sender is at fault.
    fn message_fault(&self, _message: &Self::Message) -> Option<String> {
        None
    }

    /// Computes what is of the whole global batch, from the messages of all slots in slot order; none has a fault.
    ///
    /// # Errors
    /// The model's.
    fn global(&mut self, messages: &[Self::Message]) -> Result<Self::Global, TaskError>;

    /// The loss of the global batch.
    fn loss(global: &Self::Global) -> f64;

    /// Other metrics of the step by name, in the order in which they are shown; one that it does not have is none.
    fn metrics(global: &Self::Global) -> Vec<(&'static str, Option<f64>)>;

    /// Runs slot number `slot` of the global batch back: its part of the gradient of the batch's loss.
    ///
    /// The result has the gradient of every parameter that learns, each at [`Parameter::gradient`]. The memory of
    /// `spare` may be used for it if it is as long; its numbers mean nothing.
    ///
    /// # Errors
    /// The device's.
    fn backward(
        &mut self,
        forward: Self::Forward,
        slot: usize,
        global: &Self::Global,
        spare: Vec<f32>,
    ) -> Result<Vec<f32>, TaskError>;

    /// As [`Self::backward`], with the gradient where the model computes.
    ///
    /// # Errors
    /// As [`Self::backward`].
    fn backward_on_device(
        &mut self,
        forward: Self::Forward,
        slot: usize,
        global: &Self::Global,
        device: &Device,
    ) -> Result<DeviceVector, TaskError> {
        let gradient = self.backward(forward, slot, global, Vec::new())?;
        Ok(DeviceVector::new(gradient, device))
    }

    /// What the global part adds to the gradient, once for the whole batch: places in the gradient, and numbers.
    fn global_gradient(&self, _global: &Self::Global) -> Vec<(usize, f32)> {
        Vec::new()
    }

    /// Parameters that every update is clamped to a range: their places in the flat vector.
    fn bounds(&self) -> Vec<(usize, Range<f32>)> {
        Vec::new()
    }

    /// The operations of a slot, as far as they are known: they bound its time until one was measured.
    fn operations(&self) -> Operations;
}
