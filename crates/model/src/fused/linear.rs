//! An linear map as one step of the graph, for those that stand outside blocks.

use super::op::{InputGrads, Op, View};
use crate::kernels::linear::{Linear, bias_grad, weight_grad};

/// Inputs: rows `[.., in]`, weight `[in, out]`, bias `[out]`.
#[derive(Debug, Clone)]
pub(crate) struct LinearOp;

impl Op<3> for LinearOp {
    type Saved = ();

    fn forward(&self, [input, weight, bias]: [View<'_>; 3]) -> (Vec<f32>, Vec<usize>, ()) {
        let output = linear(weight, bias).forward(input.values);
        let mut shape = input.shape.to_vec();
        if let Some(last) = shape.last_mut() {
            *last = bias.values.len();
        }
        (output, shape, ())
    }

    fn backward(
        &self,
        [input, weight, bias]: [View<'_>; 3],
        (): (),
        grad: Vec<f32>,
        to: &mut InputGrads<3>,
    ) {
        if to.is_wanted(0) {
            to.set(0, linear(weight, bias).input_grad(&grad));
        }
        linear_grads(to, [1, 2], input.values, &grad);
    }
}

/// An linear map's parameters as slices.
pub(super) fn linear<'a>(weight: View<'a>, bias: View<'a>) -> Linear<'a> {
    Linear {
        weight: weight.values,
        bias: bias.values,
    }
}

/// Hands weight and bias their gradients.
pub(super) fn linear_grads<const N: usize>(
    to: &mut InputGrads<N>,
    [weight, bias]: [usize; 2],
    input: &[f32],
    grad: &[f32],
) {
    let n_out = to.length(bias);
    if let Some(target) = to.target(weight) {
        weight_grad(input, grad, n_out, target);
    }
    if let Some(target) = to.target(bias) {
        bias_grad(grad, target);
    }
}
