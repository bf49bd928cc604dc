//! The reconstruction loss as one step of the graph; the target is a plain vector and never enters it.

use std::sync::Arc;

use super::op::{InputGrads, Op, View};
use crate::kernels::squared_error;

/// Input: prediction `[patches, voxels]`; output: the patches' mean squared errors, summed, times `weight`.
#[derive(Debug, Clone)]
pub(crate) struct SquaredErrorOp {
    pub(crate) target: Arc<Vec<f32>>,
    pub(crate) weight: f32,
}

impl Op<1> for SquaredErrorOp {
    type Saved = ();

    fn forward(&self, [prediction]: [View<'_>; 1]) -> (Vec<f32>, Vec<usize>, ()) {
        let width = prediction.shape[1];
        let patch_errors = squared_error::row_errors(prediction.values, &self.target, width);
        let sum: f64 = patch_errors.into_iter().map(f64::from).sum();
        (vec![(sum * f64::from(self.weight)) as f32], vec![1], ())
    }

    fn backward(
        &self,
        [prediction]: [View<'_>; 1],
        (): (),
        grad: Vec<f32>,
        to: &mut InputGrads<1>,
    ) {
        let width = prediction.shape[1];
        let factor = grad[0] * self.weight * 2.0 / width as f32;
        let prediction_grad =
            squared_error::backward(prediction.values, &self.target, width, factor);
        to.set(0, prediction_grad);
    }
}
