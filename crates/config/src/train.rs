//! How the weights are learned: the section `train`. All of it but `bad_batch` decides the bits of the result.

use serde::{Deserialize, Serialize};

use crate::rules::{Allowed, MILLION, Rule};

/// Length, batch, optimizer and schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Train {
    /// Optimizer updates of the whole run.
    pub steps: u64,
    /// Samples of one step, over all workers together.
    pub batch: usize,
    /// Micro-batches that a step is cut into; the most workers that can share a step.
    pub slots: usize,
    /// Peak learning rate.
    pub lr: f64,
    /// Share of the steps in which the learning rate rises to its peak; after them it falls along a cosine, which would
    /// reach zero one step after the last.
    pub warmup: f64,
    /// AdamW's decay of the weights that have more than one axis.
    pub weight_decay: f64,
    /// AdamW's decay of the mean gradient.
    pub beta1: f64,
    /// AdamW's decay of the mean squared gradient.
    pub beta2: f64,
    /// AdamW's guard against division by zero.
    pub epsilon: f64,
    /// Largest norm of the whole gradient.
    pub clip_norm: f64,
    /// Weight of the contrastive loss beside the reconstruction loss.
    pub contrastive_weight: f64,
    /// Numbers in which the network's matrix products are computed; all else is always f32.
    pub precision: Precision,
    /// What becomes of a batch whose loss or gradient is not finite.
    pub bad_batch: BadBatch,
}

/// What becomes of a batch whose loss or gradient is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BadBatch {
    /// The run ends.
    Fail,
    /// It changes no weight, and the journal records it.
    Skip,
}

/// Numbers in which the network's matrix products are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits, on every device.
    F32,
    /// 16 bits with the range of 32, on GPUs; their sums are taken in f32 and rounded once.
    Bf16,
}

impl Default for Train {
    /// Of these only `contrastive_weight` is the paper's; the rest is what its nearest peers do.
    fn default() -> Self {
        Self {
            // Not from the paper: 400 passes over its 1,292 cases in batches of 32.
            steps: 16_150,
            // Not from the paper: enough pairs for the contrastive loss, small beside 1,292 cases.
            batch: 32,
            // Not from the paper: one to eight workers divide it, four samples a micro-batch.
            slots: 8,
            // Not from the paper: MUST-PET's; MAE's rule gives 1.9e-5 here, too little for so few cases.
            lr: 1e-4,
            // Not from the paper: MAE warms up for 5 to 10 % of its epochs.
            warmup: 0.1,
            // Not from the paper: MAE's AdamW.
            weight_decay: 0.05,
            beta1: 0.9,
            beta2: 0.95,
            // Not from the paper: AdamW's usual value.
            epsilon: 1e-8,
            // Not from the paper: guards the first steps at a small batch.
            clip_norm: 1.0,
            // Paper: the two losses weigh 1:1.
            contrastive_weight: 1.0,
            // The same bits on every machine with a CPU.
            precision: Precision::F32,
            // A user should know that the numbers are wrong before more hours are spent.
            bad_batch: BadBatch::Fail,
        }
    }
}

/// What the keys of this file's sections may be, and what they are for.
pub(crate) const RULES: &[Rule] = &[
    (
        "train.steps",
        Allowed::Whole(1, 1_000 * MILLION),
        "Optimizer steps of the whole run: 400 passes over 1,292 cases. Not from the paper.",
    ),
    (
        "train.batch",
        Allowed::Whole(1, MILLION),
        "Samples per step, over all workers together. Not from the paper.",
    ),
    (
        "train.slots",
        Allowed::Whole(1, 65_536),
        "Micro-batches per step; also the maximum number of workers. The result does not depend on how many workers\n\
         share them.",
    ),
    (
        "train.lr",
        Allowed::Above(0.0, 10.0),
        "Peak learning rate, reached after the warm-up. It then falls along a cosine that would reach zero one step\n\
         after the last, so that every step changes the weights. Not from the paper: MUST-PET's.",
    ),
    (
        "train.warmup",
        Allowed::Number(0.0, 1.0),
        "Fraction of the steps in which the learning rate rises linearly from 0. Not from the paper: MAE's.",
    ),
    (
        "train.weight_decay",
        Allowed::Number(0.0, 1.0),
        "AdamW's weight decay. Not from the paper: MAE's, like the two below.",
    ),
    (
        "train.beta1",
        Allowed::Between(0.0, 1.0),
        "AdamW's decay of the mean gradient.",
    ),
    (
        "train.beta2",
        Allowed::Between(0.0, 1.0),
        "AdamW's decay of the mean squared gradient.",
    ),
    (
        "train.epsilon",
        Allowed::Above(0.0, 1.0),
        "AdamW's epsilon.",
    ),
    (
        "train.clip_norm",
        Allowed::Above(0.0, 1e9),
        "Largest norm of the gradient; larger ones are scaled down. Not from the paper.",
    ),
    (
        "train.contrastive_weight",
        Allowed::Number(0.0, 1e6),
        "Weight of the contrastive loss: L = L_MSE + weight x L_InfoNCE. Paper: 1.",
    ),
    (
        "train.precision",
        Allowed::Choice(&["f32", "bf16"]),
        "Number format of matrix products in the forward and backward pass: \"f32\", or \"bf16\" on GPUs. Weights,\n\
         gradients, norms, softmax, losses and the optimizer are always f32. Not from the paper.",
    ),
    (
        "train.bad_batch",
        Allowed::Choice(&["fail", "skip"]),
        "What to do with a batch whose loss or gradient is NaN or infinite: \"fail\" ends the run, \"skip\" does not\n\
         update the weights with it.",
    ),
];
