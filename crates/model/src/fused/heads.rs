//! Attention over queries, keys and values that were projected apart, as cross-attention and CLIP's blocks have them.

use super::op::View;
use crate::kernels::attention::Heads;

/// Queries, keys, values, and the attention output.
#[derive(Debug, Clone)]
pub(crate) struct AttentionOut(pub(super) [Vec<f32>; 4]);

/// The heads of tokens `[batch, tokens, width]`.
pub(super) fn heads(tokens: View<'_>, n_heads: usize, is_causal: bool) -> Heads {
    Heads {
        n_samples: tokens.shape[0],
        n_heads,
        size: tokens.shape[2] / n_heads,
        is_causal,
    }
}

/// The attention output of projected queries, keys and values.
pub(super) fn attend(heads: Heads, projected: [Vec<f32>; 3]) -> AttentionOut {
    let parts = projected.each_ref().map(|part| heads.read(part, 1, 0));
    let attended = heads.forward(parts.each_ref());
    let [query, key, value] = projected;
    AttentionOut([query, key, value, attended])
}

/// The gradients of queries, keys and values.
pub(super) fn backward(heads: Heads, parts: [Vec<f32>; 3], attended_grad: &[f32]) -> [Vec<f32>; 3] {
    let mut grads = parts.each_ref().map(|part| vec![0.0; part.len()]);
    let blocks = parts.each_ref().map(|part| heads.read(part, 1, 0));
    let to = grads.each_mut().map(|grad| {
        let [to] = heads.write(grad);
        to
    });
    heads.backward(blocks.each_ref(), attended_grad, to);
    grads
}
