//! An affine map as one step of the graph, for those that stand outside blocks.

use super::op::{Op, Slopes, View};
use crate::kernels::affine::{Affine, slope_of_bias, slope_of_weight};

/// Inputs: rows `[.., in]`, weight `[in, out]`, bias `[out]`.
#[derive(Debug, Clone)]
pub(crate) struct AffineOp;

impl Op<3> for AffineOp {
    type Kept = ();

    fn forward(&self, [input, weight, bias]: [View<'_>; 3]) -> (Vec<f32>, Vec<usize>, ()) {
        let output = affine(weight, bias).forward(input.values);
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
        slope: Vec<f32>,
        to: &mut Slopes<3>,
    ) {
        if to.is_wanted(0) {
            to.give(0, affine(weight, bias).slope_of_input(&slope));
        }
        affine_slopes(to, [1, 2], input.values, &slope);
    }
}

/// An affine map's parameters as slices.
pub(super) fn affine<'a>(weight: View<'a>, bias: View<'a>) -> Affine<'a> {
    Affine {
        weight: weight.values,
        bias: bias.values,
    }
}

/// Hands weight and bias their gradients.
pub(super) fn affine_slopes<const N: usize>(
    to: &mut Slopes<N>,
    [weight, bias]: [usize; 2],
    input: &[f32],
    slope: &[f32],
) {
    let n_out = to.length(bias);
    if let Some(target) = to.target(weight) {
        slope_of_weight(input, slope, n_out, target);
    }
    if let Some(target) = to.target(bias) {
        slope_of_bias(slope, target);
    }
}
