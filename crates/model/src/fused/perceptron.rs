//! A block's second half: x + fc2(activation(fc1(norm(x)))).

use super::affine::{affine, affine_slopes};
use super::layer_norm::{norm, norm_slopes};
use super::op::{Op, Slopes, View};
use crate::kernels::activation::Activation;

/// Inputs: tokens `[batch, tokens, width]`; weight and bias of the norm, of fc1 and of fc2.
#[derive(Debug, Clone)]
pub(crate) struct PerceptronOp {
    pub(crate) activation: Activation,
    pub(crate) epsilon: f32,
    /// Whether the hidden layer is computed again on the way back instead of kept.
    pub(crate) recompute: bool,
}

impl Op<7> for PerceptronOp {
    /// The hidden layer before its activation.
    type Kept = Option<Vec<f32>>;

    fn forward(&self, inputs: [View<'_>; 7]) -> (Vec<f32>, Vec<usize>, Self::Kept) {
        let [tokens, norm_w, norm_b, w1, b1, w2, b2] = inputs;
        let normed = norm(norm_w, norm_b, self.epsilon).forward(tokens.values);
        let hidden = affine(w1, b1).forward(&normed);
        drop(normed);
        let active = self.activation.forward(&hidden);
        let output = affine(w2, b2).forward_onto(&active, tokens.values);
        (
            output,
            tokens.shape.to_vec(),
            (!self.recompute).then_some(hidden),
        )
    }

    fn backward(
        &self,
        inputs: [View<'_>; 7],
        kept: Self::Kept,
        mut slope: Vec<f32>,
        to: &mut Slopes<7>,
    ) {
        let [tokens, norm_w, norm_b, w1, b1, w2, b2] = inputs;
        let norm = norm(norm_w, norm_b, self.epsilon);
        let normed = norm.forward(tokens.values);
        let (fc1, fc2) = (affine(w1, b1), affine(w2, b2));
        let mut hidden = kept.unwrap_or_else(|| fc1.forward(&normed));
        let mut of_hidden = fc2.slope_of_input(&slope);
        self.activation.backward(&mut hidden, &mut of_hidden);
        affine_slopes(to, [5, 6], &hidden, &slope);
        drop(hidden);
        affine_slopes(to, [3, 4], &normed, &of_hidden);
        let of_normed = fc1.slope_of_input(&of_hidden);
        norm_slopes(to, [1, 2], norm, tokens.values, &of_normed, &mut slope);
        to.give(0, slope);
    }
}
