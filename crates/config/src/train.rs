//! How the weights are learned: the section `train`. All of it but `bad_batch` decides the bits of the result.

use serde::{Deserialize, Serialize};

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
