//! The reconstruction loss as one step of the graph; the target is a plain vector and never enters it.

use std::sync::Arc;

use super::op::{Op, Slopes, View};
use crate::kernels::squared_error;

/// Input: prediction `[patches, voxels]`; output: the patches' mean squared errors, summed, times `weight`.
#[derive(Debug, Clone)]
pub(crate) struct SquaredErrorOp {
    pub(crate) target: Arc<Vec<f32>>,
    pub(crate) weight: f32,
}

impl Op<1> for SquaredErrorOp {
    type Kept = ();

    fn forward(&self, [prediction]: [View<'_>; 1]) -> (Vec<f32>, Vec<usize>, ()) {
        let width = prediction.shape[1];
        let of_patches = squared_error::of_rows(prediction.values, &self.target, width);
        let sum: f64 = of_patches.into_iter().map(f64::from).sum();
        (vec![(sum * f64::from(self.weight)) as f32], vec![1], ())
    }

    fn backward(&self, [prediction]: [View<'_>; 1], (): (), slope: Vec<f32>, to: &mut Slopes<1>) {
        let width = prediction.shape[1];
        let factor = slope[0] * self.weight * 2.0 / width as f32;
        let of_prediction = squared_error::backward(prediction.values, &self.target, width, factor);
        to.give(0, of_prediction);
    }
}
