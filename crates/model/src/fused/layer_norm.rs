//! Layer normalisation as one step of the graph, for those that stand outside blocks.

use super::op::{Op, Slopes, View};
use crate::kernels::layer_norm::{Norm, add_to};

/// Inputs: rows `[.., width]`, weight and bias `[width]`.
#[derive(Debug, Clone)]
pub(crate) struct LayerNormOp {
    pub(crate) epsilon: f32,
}

impl Op<3> for LayerNormOp {
    type Kept = ();

    fn forward(&self, [input, weight, bias]: [View<'_>; 3]) -> (Vec<f32>, Vec<usize>, ()) {
        let output = norm(weight, bias, self.epsilon).forward(input.values);
        (output, input.shape.to_vec(), ())
    }

    fn backward(
        &self,
        [input, weight, bias]: [View<'_>; 3],
        (): (),
        slope: Vec<f32>,
        to: &mut Slopes<3>,
    ) {
        let mut of_input = vec![0.0; slope.len()];
        let norm = norm(weight, bias, self.epsilon);
        norm_slopes(to, [1, 2], norm, input.values, &slope, &mut of_input);
        to.give(0, of_input);
    }
}

/// A norm's parameters as slices.
pub(super) fn norm<'a>(weight: View<'a>, bias: View<'a>, epsilon: f32) -> Norm<'a> {
    Norm {
        weight: weight.values,
        bias: bias.values,
        epsilon,
    }
}

/// Adds the input's gradient to `of_input`, and hands weight and bias theirs.
pub(super) fn norm_slopes<const N: usize>(
    to: &mut Slopes<N>,
    [weight, bias]: [usize; 2],
    norm: Norm<'_>,
    input: &[f32],
    slope: &[f32],
    of_input: &mut [f32],
) {
    let sums = norm.backward(input, slope, of_input);
    let (of_weight, of_bias) = sums.split_at(norm.bias.len());
    if let Some(target) = to.target(weight) {
        add_to(target, of_weight);
    }
    if let Some(target) = to.target(bias) {
        add_to(target, of_bias);
    }
}
