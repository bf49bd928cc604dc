//! Layer normalisation as one step of the graph, for those that stand outside blocks.

use super::op::{InputGrads, Op, View};
use crate::kernels::layer_norm::{Norm, add_to};

/// Inputs: rows `[.., width]`, weight and bias `[width]`.
#[derive(Debug, Clone)]
pub(crate) struct LayerNormOp {
    pub(crate) epsilon: f32,
}

impl Op<3> for LayerNormOp {
    type Saved = ();

    fn forward(&self, [input, weight, bias]: [View<'_>; 3]) -> (Vec<f32>, Vec<usize>, ()) {
        let output = norm(weight, bias, self.epsilon).forward(input.values);
        (output, input.shape.to_vec(), ())
    }

    fn backward(
        &self,
        [input, weight, bias]: [View<'_>; 3],
        (): (),
        grad: Vec<f32>,
        to: &mut InputGrads<3>,
    ) {
        let mut input_grad = vec![0.0; grad.len()];
        let norm = norm(weight, bias, self.epsilon);
        norm_grads(to, [1, 2], norm, input.values, &grad, &mut input_grad);
        to.set(0, input_grad);
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

/// Adds the input's gradient to `input_grad`, and hands weight and bias theirs.
pub(super) fn norm_grads<const N: usize>(
    to: &mut InputGrads<N>,
    [weight, bias]: [usize; 2],
    norm: Norm<'_>,
    input: &[f32],
    grad: &[f32],
    input_grad: &mut [f32],
) {
    let sums = norm.backward(input, grad, input_grad);
    let (weight_grad, bias_grad) = sums.split_at(norm.bias.len());
    if let Some(target) = to.target(weight) {
        add_to(target, weight_grad);
    }
    if let Some(target) = to.target(bias) {
        add_to(target, bias_grad);
    }
}
