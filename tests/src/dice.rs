//! A second task, as small as one can be: a line through block means of PET is to tell whether the label shows a lesion,
//! and its loss is a soft Dice over the whole global batch. No slot has a loss of its own.

use std::ops::Range;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use fratmae_dataset::{SampleOrder, Stack};
use fratmae_model::{Parameter, Update};
use fratmae_trainer::{Opening, Operations, Samples, SharedWeights, Task, TaskError};

/// Means of consecutive voxels that a sample has.
const BLOCKS: usize = 256;
/// Where the line's offset and its sharpness are, in the parameters and in the gradient.
const OFFSET: usize = BLOCKS;
const SHARPNESS: usize = BLOCKS + 1;

/// Predicts lesions by a sigmoid of a line.
pub struct Dice {
    weights: Vec<f32>,
    parameters: Vec<Parameter>,
    order: SampleOrder,
}

/// A sample that the model has looked at.
#[derive(Clone, PartialEq, prost::Message)]
struct Seen {
    /// The line at the sample, before its sharpness and its offset.
    #[prost(double, tag = "1")]
    line: f64,
    /// What is predicted, between 0 and 1.
    #[prost(double, tag = "2")]
    predicted: f64,
    /// What it should be: 1 with a lesion, 0 without.
    #[prost(double, tag = "3")]
    target: f64,
}

/// The samples of a slot, in their order.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SlotSeen {
    #[prost(message, repeated, tag = "1")]
    samples: Vec<Seen>,
}

/// The loss of a global batch.
#[derive(Debug)]
pub struct Global {
    loss: f64,
    overlap: f64,
    /// Of every sample of the batch, by the sigmoid's argument.
    gradients: Vec<f64>,
    sharpness: f64,
}

/// How long this process takes beyond what it computes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// For a slot's forward pass.
    pub forward: Duration,
    /// For each sample of the order: whoever loads waits for it.
    pub sample: Duration,
}

static PACE: OnceLock<Pace> = OnceLock::new();

impl Pace {
    /// Sets it, once.
    pub fn set(self) {
        let _ = PACE.set(self);
    }
}

/// Takes time, if there is any to take.
#[expect(clippy::disallowed_methods, reason = "being slow is the purpose")]
fn dawdle(time: impl Fn(&Pace) -> Duration) {
    let time = PACE.get().map(time).unwrap_or_default();
    if !time.is_zero() {
        thread::sleep(time);
    }
}

/// Block means of PET, and what is to be predicted from them.
type Features = Vec<(Vec<f32>, f64)>;

impl Task for Dice {
    type Batch = Vec<Stack>;
    type Started = Features;
    type Forward = Features;
    type Message = SlotSeen;
    type Global = Global;

    const WANTS_LABELS: bool = true;

    fn open(opening: &Opening<'_>) -> Result<Self, TaskError> {
        let parameter = |name: &str, places: Range<usize>, update| Parameter {
            name: name.to_owned(),
            shape: vec![places.len()],
            offset: places.start,
            gradient: places,
            update,
        };
        Ok(Self {
            weights: Vec::new(),
            parameters: vec![
                parameter("line", 0..OFFSET, Update::Decay),
                parameter("offset", OFFSET..SHARPNESS, Update::NoDecay),
                parameter("sharpness", SHARPNESS..SHARPNESS + 1, Update::NoDecay),
            ],
            order: SampleOrder {
                seed: opening.config.run.seed,
                cases: opening.n_cases,
            },
        })
    }

    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn first_weights(&self) -> Result<Vec<f32>, TaskError> {
        let line = (0..BLOCKS).map(|i| ((i * 37 % 101) as f32 - 50.0) * 1e-3);
        Ok(line.chain([0.0, 1.0]).collect())
    }

    fn load(&mut self, weights: Vec<f32>) -> Result<(), TaskError> {
        self.weights = weights;
        Ok(())
    }

    fn share(&self) -> Result<SharedWeights, TaskError> {
        Ok(Box::new(self.weights.clone()))
    }

    fn unload(&mut self) -> Result<Vec<f32>, TaskError> {
        Ok(std::mem::take(&mut self.weights))
    }

    fn samples(&self, first: u64) -> Samples {
        let samples = self.order.samples(first);
        Box::new(samples.inspect(|_| dawdle(|pace| pace.sample)))
    }

    fn start(&mut self, stacks: Vec<Stack>) -> Result<Features, TaskError> {
        let of = |stack: &Stack| {
            let block = stack.pet.len() / BLOCKS;
            let blocks = stack.pet.chunks_exact(block).take(BLOCKS);
            let blocks = blocks.map(|block| mean(block) as f32);
            let is_lesion = stack.label.iter().flatten().any(|&voxel| voxel != 0);
            (blocks.collect(), f64::from(u8::from(is_lesion)))
        };
        Ok(stacks.iter().map(of).collect())
    }

    fn finish(&mut self, batch: Features) -> Result<(Features, SlotSeen), TaskError> {
        dawdle(|pace| pace.forward);
        let (line, rest) = self.weights.split_at(OFFSET);
        let see = |(blocks, target): &(Vec<f32>, f64)| {
            let products = line.iter().zip(blocks).map(|(w, x)| f64::from(w * x));
            let line: f64 = products.sum();
            let argument = f64::from(rest[1]) * line + f64::from(rest[0]);
            Seen {
                line,
                predicted: 1.0 / (1.0 + (-argument).exp()),
                target: *target,
            }
        };
        let samples = batch.iter().map(see).collect();
        Ok((batch, SlotSeen { samples }))
    }

    fn is_finite(message: &SlotSeen) -> bool {
        message
            .samples
            .iter()
            .all(|seen| seen.predicted.is_finite())
    }

    fn global(&mut self, slots: &[SlotSeen]) -> Result<Global, TaskError> {
        let all = || slots.iter().flat_map(|slot| &slot.samples);
        let overlap: f64 = all().map(|seen| seen.predicted * seen.target).sum();
        let sizes: f64 = all().map(|seen| seen.predicted + seen.target).sum();
        let gradient = |seen: &Seen| {
            let of_prediction = 2.0 * overlap / sizes.powi(2) - 2.0 * seen.target / sizes;
            of_prediction * seen.predicted * (1.0 - seen.predicted)
        };
        let gradients: Vec<f64> = all().map(gradient).collect();
        let sharpness = all().zip(&gradients).map(|(seen, g)| g * seen.line).sum();
        Ok(Global {
            loss: 1.0 - 2.0 * overlap / sizes,
            overlap,
            gradients,
            sharpness,
        })
    }

    fn loss(global: &Global) -> f64 {
        global.loss
    }

    fn metrics(global: &Global) -> Vec<(&'static str, Option<f64>)> {
        vec![("overlap", Some(global.overlap))]
    }

    fn backward(
        &mut self,
        forward: Features,
        slot: usize,
        global: &Global,
        _spare: Vec<f32>,
    ) -> Result<Vec<f32>, TaskError> {
        let mut gradient = vec![0.0; SHARPNESS + 1];
        let own = &global.gradients[slot * forward.len()..][..forward.len()];
        for ((blocks, _), own) in forward.iter().zip(own) {
            let of_line = *own as f32 * self.weights[SHARPNESS];
            for (place, block) in gradient.iter_mut().zip(blocks) {
                *place += of_line * block;
            }
            gradient[OFFSET] += *own as f32;
        }
        Ok(gradient)
    }

    fn global_gradient(&self, global: &Global) -> Vec<(usize, f32)> {
        vec![(SHARPNESS, global.sharpness as f32)]
    }

    fn bounds(&self) -> Vec<(usize, Range<f32>)> {
        vec![(SHARPNESS, 0.9..1.1)]
    }

    fn operations(&self) -> Operations {
        Operations {
            forward: BLOCKS as f64,
            backward: BLOCKS as f64,
        }
    }
}

fn mean(values: &[f32]) -> f64 {
    let sum: f64 = values.iter().copied().map(f64::from).sum();
    sum / values.len() as f64
}
