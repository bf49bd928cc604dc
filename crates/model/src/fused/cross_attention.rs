//! The decoder block's middle: x + proj(attention of norm(x) over norm_y(memory)).

use super::layer_norm::{norm, norm_grads};
use super::linear::{linear, linear_grads};
use super::op::{InputGrads, Op, View};
use crate::kernels::attention::Heads;
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

/// Queries, keys, values, and the attention output.
#[derive(Debug, Clone)]
pub(crate) struct AttentionOut([Vec<f32>; 4]);

/// The projections into heads, and both inputs after their norms.
struct NormedInputs<'a> {
    heads: Heads,
    projections: [Linear<'a>; 3],
    queries: &'a [f32],
    memory: &'a [f32],
}

impl NormedInputs<'_> {
    fn attend(&self) -> AttentionOut {
        let [query, key, value] = self.projections;
        let projected = [
            query.forward(self.queries),
            key.forward(self.memory),
            value.forward(self.memory),
        ];
        let parts = projected.each_ref().map(|part| self.heads.read(part, 1, 0));
        let attended = self.heads.forward(parts.each_ref());
        let [query, key, value] = projected;
        AttentionOut([query, key, value, attended])
    }
}

impl CrossAttentionOp {
    fn heads(&self, tokens: View<'_>) -> Heads {
        Heads {
            n_samples: tokens.shape[0],
            n_heads: self.n_heads,
            size: tokens.shape[2] / self.n_heads,
            is_causal: false,
        }
    }
}

impl Op<14> for CrossAttentionOp {
    type Saved = Option<AttentionOut>;

    fn forward(&self, inputs: [View<'_>; 14]) -> (Vec<f32>, Vec<usize>, Self::Saved) {
        let [
            tokens,
            memory,
            nw,
            nb,
            mw,
            mb,
            qw,
            qb,
            kw,
            kb,
            vw,
            vb,
            pw,
            pb,
        ] = inputs;
        let normed = NormedInputs {
            heads: self.heads(tokens),
            projections: [linear(qw, qb), linear(kw, kb), linear(vw, vb)],
            queries: &norm(nw, nb, self.epsilon).forward(tokens.values),
            memory: &norm(mw, mb, self.epsilon).forward(memory.values),
        };
        let attended = normed.attend();
        let output = linear(pw, pb).forward_onto(&attended.0[3], tokens.values);
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
        let [
            tokens,
            memory,
            nw,
            nb,
            mw,
            mb,
            qw,
            qb,
            kw,
            kb,
            vw,
            vb,
            pw,
            pb,
        ] = inputs;
        let norms = [norm(nw, nb, self.epsilon), norm(mw, mb, self.epsilon)];
        let normed = NormedInputs {
            heads: self.heads(tokens),
            projections: [linear(qw, qb), linear(kw, kb), linear(vw, vb)],
            queries: &norms[0].forward(tokens.values),
            memory: &norms[1].forward(memory.values),
        };
        let AttentionOut([query, key, value, attended]) = saved.unwrap_or_else(|| normed.attend());
        linear_grads(to, [12, 13], &attended, &grad);
        drop(attended);
        let attended_grad = linear(pw, pb).input_grad(&grad);
        let [query_grad, key_grad, value_grad] =
            backward_heads(normed.heads, [query, key, value], &attended_grad);
        drop(attended_grad);
        linear_grads(to, [6, 7], normed.queries, &query_grad);
        linear_grads(to, [8, 9], normed.memory, &key_grad);
        linear_grads(to, [10, 11], normed.memory, &value_grad);
        let [query, key, value] = normed.projections;
        let queries_grad = query.input_grad(&query_grad);
        norm_grads(
            to,
            [2, 3],
            norms[0],
            tokens.values,
            &queries_grad,
            &mut grad,
        );
        to.set(0, grad);
        let mut memory_grad = key.input_grad(&key_grad);
        value.add_input_grad(&value_grad, &mut memory_grad);
        let mut input_grad = vec![0.0; memory_grad.len()];
        norm_grads(
            to,
            [4, 5],
            norms[1],
            memory.values,
            &memory_grad,
            &mut input_grad,
        );
        to.set(1, input_grad);
    }
}

/// The gradients of queries, keys and values.
pub(super) fn backward_heads(
    heads: Heads,
    parts: [Vec<f32>; 3],
    attended_grad: &[f32],
) -> [Vec<f32>; 3] {
    let mut grads = parts.each_ref().map(|part| vec![0.0; part.len()]);
    let blocks = parts.each_ref().map(|part| heads.read(part, 1, 0));
    let to = grads.each_mut().map(|grad| {
        let [to] = heads.write(grad);
        to
    });
    heads.backward(blocks.each_ref(), attended_grad, to);
    grads
}
