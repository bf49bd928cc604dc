//! A block's second half: x + fc2(activation(fc1(norm(x)))).

use super::layer_norm::{norm, norm_grads};
use super::linear::{linear, linear_grads};
use super::op::{InputGrads, Op, View};
use crate::kernels::activation::Activation;

/// Inputs: tokens `[batch, tokens, width]`; weight and bias of the norm, of fc1 and of fc2.
#[derive(Debug, Clone)]
pub(crate) struct MlpOp {
    pub(crate) activation: Activation,
    pub(crate) epsilon: f32,
    /// Whether the backward pass computes the hidden layer again instead of saving it.
    pub(crate) recompute: bool,
}

impl Op<7> for MlpOp {
    /// The hidden layer before its activation.
    type Saved = Option<Vec<f32>>;

    fn forward(&self, inputs: [View<'_>; 7]) -> (Vec<f32>, Vec<usize>, Self::Saved) {
        let [tokens, norm_w, norm_b, w1, b1, w2, b2] = inputs;
        let normed = norm(norm_w, norm_b, self.epsilon).forward(tokens.values);
        let hidden = linear(w1, b1).forward(&normed);
        drop(normed);
        let active = self.activation.forward(&hidden);
        let output = linear(w2, b2).forward_onto(&active, tokens.values);
        (
            output,
            tokens.shape.to_vec(),
            (!self.recompute).then_some(hidden),
        )
    }

    fn backward(
        &self,
        inputs: [View<'_>; 7],
        saved: Self::Saved,
        mut grad: Vec<f32>,
        to: &mut InputGrads<7>,
    ) {
        let [tokens, norm_w, norm_b, w1, b1, w2, b2] = inputs;
        let norm = norm(norm_w, norm_b, self.epsilon);
        let normed = norm.forward(tokens.values);
        let (fc1, fc2) = (linear(w1, b1), linear(w2, b2));
        let mut hidden = saved.unwrap_or_else(|| fc1.forward(&normed));
        let mut hidden_grad = fc2.input_grad(&grad);
        self.activation.backward(&mut hidden, &mut hidden_grad);
        linear_grads(to, [5, 6], &hidden, &grad);
        drop(hidden);
        linear_grads(to, [3, 4], &normed, &hidden_grad);
        let normed_grad = fc1.input_grad(&hidden_grad);
        norm_grads(to, [1, 2], norm, tokens.values, &normed_grad, &mut grad);
        to.set(0, grad);
    }
}
