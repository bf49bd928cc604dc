//! A block's first half: x + proj(attention(qkv(norm(x)))), each token seeing all of its sample.

use super::affine::{affine, affine_slopes};
use super::layer_norm::{norm, norm_slopes};
use super::op::{Op, Slopes, View};
use crate::kernels::attention::Heads;

/// Inputs: tokens `[batch, tokens, width]`; weight and bias of the norm, of the query, key and value projection, and
/// of the last one.
#[derive(Debug, Clone)]
pub(crate) struct SelfAttentionOp {
    pub(crate) n_heads: usize,
    pub(crate) epsilon: f32,
    /// Whether what is seen is computed again on the way back instead of kept.
    pub(crate) recompute: bool,
}

/// Queries, keys and values side by side, and what the queries see.
type Seen = (Vec<f32>, Vec<f32>);

impl SelfAttentionOp {
    fn heads(&self, tokens: View<'_>) -> Heads {
        Heads {
            n_samples: tokens.shape[0],
            n_heads: self.n_heads,
            size: tokens.shape[2] / self.n_heads,
            is_causal: false,
        }
    }
}

impl Op<7> for SelfAttentionOp {
    type Kept = Option<Seen>;

    fn forward(&self, inputs: [View<'_>; 7]) -> (Vec<f32>, Vec<usize>, Self::Kept) {
        let [tokens, norm_w, norm_b, qkv_w, qkv_b, proj_w, proj_b] = inputs;
        let normed = norm(norm_w, norm_b, self.epsilon).forward(tokens.values);
        let qkv = affine(qkv_w, qkv_b).forward(&normed);
        drop(normed);
        let seen = look(self.heads(tokens), &qkv);
        let output = affine(proj_w, proj_b).forward_onto(&seen, tokens.values);
        let kept = (!self.recompute).then_some((qkv, seen));
        (output, tokens.shape.to_vec(), kept)
    }

    fn backward(
        &self,
        inputs: [View<'_>; 7],
        kept: Self::Kept,
        mut slope: Vec<f32>,
        to: &mut Slopes<7>,
    ) {
        let [tokens, norm_w, norm_b, qkv_w, qkv_b, proj_w, proj_b] = inputs;
        let norm = norm(norm_w, norm_b, self.epsilon);
        let (heads, project) = (self.heads(tokens), affine(qkv_w, qkv_b));
        let normed = norm.forward(tokens.values);
        let (qkv, seen) = kept.unwrap_or_else(|| {
            let qkv = project.forward(&normed);
            let seen = look(heads, &qkv);
            (qkv, seen)
        });
        affine_slopes(to, [5, 6], &seen, &slope);
        drop(seen);
        let of_seen = affine(proj_w, proj_b).slope_of_input(&slope);
        let mut of_qkv = vec![0.0; qkv.len()];
        let parts = [0, 1, 2].map(|part| heads.read(&qkv, 3, part));
        heads.backward(parts.each_ref(), &of_seen, heads.write(&mut of_qkv));
        drop((qkv, of_seen));
        affine_slopes(to, [3, 4], &normed, &of_qkv);
        let of_normed = project.slope_of_input(&of_qkv);
        norm_slopes(to, [1, 2], norm, tokens.values, &of_normed, &mut slope);
        to.give(0, slope);
    }
}

fn look(heads: Heads, qkv: &[f32]) -> Vec<f32> {
    let parts = [0, 1, 2].map(|part| heads.read(qkv, 3, part));
    heads.forward(parts.each_ref())
}
