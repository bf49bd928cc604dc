//! CLIP's first half of a block: x + out_proj(attention(norm(x))), each token seeing itself and those before it.

use super::affine::{affine, affine_slopes};
use super::cross_attention::backward_heads;
use super::layer_norm::{norm, norm_slopes};
use super::op::{Op, Slopes, View};
use crate::kernels::affine::Affine;
use crate::kernels::attention::Heads;

/// Inputs: tokens `[batch, tokens, width]`; weight and bias of the norm, of the query, key, value and last projection.
#[derive(Debug, Clone)]
pub(crate) struct CausalAttentionOp {
    pub(crate) n_heads: usize,
    pub(crate) epsilon: f32,
    /// Whether what is seen is computed again on the way back instead of kept.
    pub(crate) recompute: bool,
}

/// Queries, keys, values, and what the queries see.
#[derive(Debug, Clone)]
pub(crate) struct Seen([Vec<f32>; 4]);

fn look(heads: Heads, projections: [Affine<'_>; 3], normed: &[f32]) -> Seen {
    let projected = projections.map(|projection| projection.forward(normed));
    let parts = projected.each_ref().map(|part| heads.read(part, 1, 0));
    let seen = heads.forward(parts.each_ref());
    let [query, key, value] = projected;
    Seen([query, key, value, seen])
}

impl CausalAttentionOp {
    fn heads(&self, tokens: View<'_>) -> Heads {
        Heads {
            n_samples: tokens.shape[0],
            n_heads: self.n_heads,
            size: tokens.shape[2] / self.n_heads,
            is_causal: true,
        }
    }
}

impl Op<11> for CausalAttentionOp {
    type Kept = Option<Seen>;

    fn forward(&self, inputs: [View<'_>; 11]) -> (Vec<f32>, Vec<usize>, Self::Kept) {
        let [tokens, nw, nb, qw, qb, kw, kb, vw, vb, ow, ob] = inputs;
        let projections = [affine(qw, qb), affine(kw, kb), affine(vw, vb)];
        let normed = norm(nw, nb, self.epsilon).forward(tokens.values);
        let seen = look(self.heads(tokens), projections, &normed);
        let output = affine(ow, ob).forward_onto(&seen.0[3], tokens.values);
        let kept = (!self.recompute).then_some(seen);
        (output, tokens.shape.to_vec(), kept)
    }

    fn backward(
        &self,
        inputs: [View<'_>; 11],
        kept: Self::Kept,
        mut slope: Vec<f32>,
        to: &mut Slopes<11>,
    ) {
        let [tokens, nw, nb, qw, qb, kw, kb, vw, vb, ow, ob] = inputs;
        let projections = [affine(qw, qb), affine(kw, kb), affine(vw, vb)];
        let norm = norm(nw, nb, self.epsilon);
        let normed = norm.forward(tokens.values);
        let heads = self.heads(tokens);
        let kept = kept.unwrap_or_else(|| look(heads, projections, &normed));
        let Seen([query, key, value, seen]) = kept;
        affine_slopes(to, [9, 10], &seen, &slope);
        let of_seen = affine(ow, ob).slope_of_input(&slope);
        let slopes = backward_heads(heads, [query, key, value], &of_seen);
        let mut of_normed = vec![0.0; normed.len()];
        for (part, (projection, slope)) in projections.into_iter().zip(&slopes).enumerate() {
            affine_slopes(to, [3 + 2 * part, 4 + 2 * part], &normed, slope);
            projection.add_slope_of_input(slope, &mut of_normed);
        }
        norm_slopes(to, [1, 2], norm, tokens.values, &of_normed, &mut slope);
        to.give(0, slope);
    }
}
