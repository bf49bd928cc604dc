//! A block's first half: x + proj(attention(qkv(norm(x)))), each token seeing all of its sample.

use super::heads::heads;
use super::layer_norm::{norm, norm_grads};
use super::linear::{linear, linear_grads};
use super::op::{InputGrads, Op, View};
use crate::kernels::attention::Heads;

/// Inputs: tokens `[batch, tokens, width]`; weight and bias of the norm, of the query, key and value projection, and
/// of the last one.
#[derive(Debug, Clone)]
pub(crate) struct SelfAttentionOp {
    pub(crate) n_heads: usize,
    pub(crate) epsilon: f32,
    /// Whether the backward pass computes the attention output again instead of saving it.
    pub(crate) recompute: bool,
}

/// Queries, keys and values side by side, and the attention output.
type AttentionOut = (Vec<f32>, Vec<f32>);

impl Op<7> for SelfAttentionOp {
    type Saved = Option<AttentionOut>;

    fn forward(&self, inputs: [View<'_>; 7]) -> (Vec<f32>, Vec<usize>, Self::Saved) {
        let [tokens, norm_w, norm_b, qkv_w, qkv_b, proj_w, proj_b] = inputs;
        let normed = norm(norm_w, norm_b, self.epsilon).forward(tokens.values);
        let qkv = linear(qkv_w, qkv_b).forward(&normed);
        drop(normed);
        let attended = attend(heads(tokens, self.n_heads, false), &qkv);
        let output = linear(proj_w, proj_b).forward_onto(&attended, tokens.values);
        let saved = (!self.recompute).then_some((qkv, attended));
        (output, tokens.shape.to_vec(), saved)
    }

    fn backward(
        &self,
        inputs: [View<'_>; 7],
        saved: Self::Saved,
        mut grad: Vec<f32>,
        to: &mut InputGrads<7>,
    ) {
        let [tokens, norm_w, norm_b, qkv_w, qkv_b, proj_w, proj_b] = inputs;
        let norm = norm(norm_w, norm_b, self.epsilon);
        let (heads, project) = (heads(tokens, self.n_heads, false), linear(qkv_w, qkv_b));
        let normed = norm.forward(tokens.values);
        let (qkv, attended) = saved.unwrap_or_else(|| {
            let qkv = project.forward(&normed);
            let attended = attend(heads, &qkv);
            (qkv, attended)
        });
        linear_grads(to, [5, 6], &attended, &grad);
        drop(attended);
        let attended_grad = linear(proj_w, proj_b).input_grad(&grad);
        let mut qkv_grad = vec![0.0; qkv.len()];
        let parts = [0, 1, 2].map(|part| heads.read(&qkv, 3, part));
        heads.backward(parts.each_ref(), &attended_grad, heads.write(&mut qkv_grad));
        drop((qkv, attended_grad));
        linear_grads(to, [3, 4], &normed, &qkv_grad);
        let normed_grad = project.input_grad(&qkv_grad);
        norm_grads(to, [1, 2], norm, tokens.values, &normed_grad, &mut grad);
        to.set(0, grad);
    }
}

fn attend(heads: Heads, qkv: &[f32]) -> Vec<f32> {
    let parts = [0, 1, 2].map(|part| heads.read(qkv, 3, part));
    heads.forward(parts.each_ref())
}
