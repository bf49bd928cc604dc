//! CLIP's first half of a block: x + out_proj(attention(norm(x))), each token seeing itself and those before it.

use super::heads::{AttentionOut, attend, backward, heads};
use super::layer_norm::{norm, norm_grads};
use super::linear::{linear, linear_grads};
use super::op::{InputGrads, Op, View};

/// Inputs: tokens `[batch, tokens, width]`; weight and bias of the norm, of the query, key, value and last projection.
#[derive(Debug, Clone)]
pub(crate) struct CausalAttentionOp {
    pub(crate) n_heads: usize,
    pub(crate) epsilon: f32,
    /// Whether the backward pass computes the attention output again instead of saving it.
    pub(crate) recompute: bool,
}

impl Op<11> for CausalAttentionOp {
    type Saved = Option<AttentionOut>;

    fn forward(&self, inputs: [View<'_>; 11]) -> (Vec<f32>, Vec<usize>, Self::Saved) {
        let [tokens, nw, nb, qw, qb, kw, kb, vw, vb, ow, ob] = inputs;
        let projections = [linear(qw, qb), linear(kw, kb), linear(vw, vb)];
        let normed = norm(nw, nb, self.epsilon).forward(tokens.values);
        let projected = projections.map(|projection| projection.forward(&normed));
        let attended = attend(heads(tokens, self.n_heads, true), projected);
        let output = linear(ow, ob).forward_onto(&attended.0[3], tokens.values);
        let saved = (!self.recompute).then_some(attended);
        (output, tokens.shape.to_vec(), saved)
    }

    fn backward(
        &self,
        inputs: [View<'_>; 11],
        saved: Self::Saved,
        mut grad: Vec<f32>,
        to: &mut InputGrads<11>,
    ) {
        let [tokens, nw, nb, qw, qb, kw, kb, vw, vb, ow, ob] = inputs;
        let projections = [linear(qw, qb), linear(kw, kb), linear(vw, vb)];
        let norm = norm(nw, nb, self.epsilon);
        let normed = norm.forward(tokens.values);
        let heads = heads(tokens, self.n_heads, true);
        let project = || projections.map(|projection| projection.forward(&normed));
        let saved = saved.unwrap_or_else(|| attend(heads, project()));
        let AttentionOut([query, key, value, attended]) = saved;
        linear_grads(to, [9, 10], &attended, &grad);
        let attended_grad = linear(ow, ob).input_grad(&grad);
        let grads = backward(heads, [query, key, value], &attended_grad);
        let mut normed_grad = vec![0.0; normed.len()];
        for (part, (projection, grad)) in projections.into_iter().zip(&grads).enumerate() {
            linear_grads(to, [3 + 2 * part, 4 + 2 * part], &normed, grad);
            projection.add_input_grad(grad, &mut normed_grad);
        }
        norm_grads(to, [1, 2], norm, tokens.values, &normed_grad, &mut grad);
        to.set(0, grad);
    }
}
