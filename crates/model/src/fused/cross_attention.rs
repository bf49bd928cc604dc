//! The decoder block's middle: x + proj(attention of norm(x) over norm_y(memory)).

use super::heads::{AttentionOut, attend, backward, heads};
use super::layer_norm::{norm, norm_grads};
use super::linear::{linear, linear_grads};
use super::op::{InputGrads, Op, View};
use crate::kernels::layer_norm::Norm;
use crate::kernels::linear::Linear;

/// Inputs: tokens `[batch, tokens, width]`, memory `[batch, memory tokens, width]`; weight and bias of the tokens'
/// norm, of the memory's, of the query, key, value and last projection.
#[derive(Debug, Clone)]
pub(crate) struct CrossAttentionOp {
    pub(crate) n_heads: usize,
    pub(crate) epsilon: f32,
    /// Whether the backward pass computes the attention output again instead of saving it.
    pub(crate) recompute: bool,
}

/// The inputs after tokens and memory, as layers.
struct Layers<'a> {
    norms: [Norm<'a>; 2],
    query: Linear<'a>,
    key: Linear<'a>,
    value: Linear<'a>,
    last: Linear<'a>,
}

impl CrossAttentionOp {
    fn layers<'a>(&self, inputs: [View<'a>; 14]) -> Layers<'a> {
        let norm = |at: usize| norm(inputs[at], inputs[at + 1], self.epsilon);
        let linear = |at: usize| linear(inputs[at], inputs[at + 1]);
        Layers {
            norms: [norm(2), norm(4)],
            query: linear(6),
            key: linear(8),
            value: linear(10),
            last: linear(12),
        }
    }
}

impl Layers<'_> {
    /// The projections of both inputs after their norms.
    fn project(&self, queries: &[f32], memory: &[f32]) -> [Vec<f32>; 3] {
        [
            self.query.forward(queries),
            self.key.forward(memory),
            self.value.forward(memory),
        ]
    }
}

impl Op<14> for CrossAttentionOp {
    type Saved = Option<AttentionOut>;

    fn forward(&self, inputs: [View<'_>; 14]) -> (Vec<f32>, Vec<usize>, Self::Saved) {
        let [tokens, memory, ..] = inputs;
        let layers = self.layers(inputs);
        let queries = layers.norms[0].forward(tokens.values);
        let memory = layers.norms[1].forward(memory.values);
        let heads = heads(tokens, self.n_heads, false);
        let attended = attend(heads, layers.project(&queries, &memory));
        let output = layers.last.forward_onto(&attended.0[3], tokens.values);
        let saved = (!self.recompute).then_some(attended);
        (output, tokens.shape.to_vec(), saved)
    }

    fn backward(
        &self,
        inputs: [View<'_>; 14],
        saved: Self::Saved,
        mut grad: Vec<f32>,
        to: &mut InputGrads<14>,
    ) {
        let [tokens, memory, ..] = inputs;
        let layers = self.layers(inputs);
        let [norm, memory_norm] = layers.norms;
        let queries = norm.forward(tokens.values);
        let normed_memory = memory_norm.forward(memory.values);
        let heads = heads(tokens, self.n_heads, false);
        let saved =
            saved.unwrap_or_else(|| attend(heads, layers.project(&queries, &normed_memory)));
        let AttentionOut([query, key, value, attended]) = saved;
        linear_grads(to, [12, 13], &attended, &grad);
        drop(attended);
        let attended_grad = layers.last.input_grad(&grad);
        let [query_grad, key_grad, value_grad] =
            backward(heads, [query, key, value], &attended_grad);
        drop(attended_grad);
        linear_grads(to, [6, 7], &queries, &query_grad);
        linear_grads(to, [8, 9], &normed_memory, &key_grad);
        linear_grads(to, [10, 11], &normed_memory, &value_grad);
        let queries_grad = layers.query.input_grad(&query_grad);
        norm_grads(to, [2, 3], norm, tokens.values, &queries_grad, &mut grad);
        to.set(0, grad);
        let mut normed_grad = layers.key.input_grad(&key_grad);
        layers.value.add_input_grad(&value_grad, &mut normed_grad);
        let mut memory_grad = vec![0.0; normed_grad.len()];
        norm_grads(
            to,
            [4, 5],
            memory_norm,
            memory.values,
            &normed_grad,
            &mut memory_grad,
        );
        to.set(1, memory_grad);
    }
}
