//! The decoder block's middle: x + proj(attention of norm(x) over norm_y(memory)).

use super::affine::{affine, affine_slopes};
use super::layer_norm::{norm, norm_slopes};
use super::op::{Op, Slopes, View};
use crate::kernels::affine::Affine;
use crate::kernels::attention::Heads;

/// Inputs: tokens `[batch, tokens, width]`, memory `[batch, memory tokens, width]`; weight and bias of the tokens'
/// norm, of the memory's, of the query, key, value and last projection.
#[derive(Debug, Clone)]
pub(crate) struct CrossAttentionOp {
    pub(crate) n_heads: usize,
    pub(crate) epsilon: f32,
    /// Whether what is seen is computed again on the way back instead of kept.
    pub(crate) recompute: bool,
}

/// Queries, keys, values, and what the queries see.
#[derive(Debug, Clone)]
pub(crate) struct Seen([Vec<f32>; 4]);

/// The projections into heads, and both inputs after their norms.
struct Asked<'a> {
    heads: Heads,
    projections: [Affine<'a>; 3],
    queries: &'a [f32],
    memory: &'a [f32],
}

impl Asked<'_> {
    fn look(&self) -> Seen {
        let [query, key, value] = self.projections;
        let projected = [
            query.forward(self.queries),
            key.forward(self.memory),
            value.forward(self.memory),
        ];
        let parts = projected.each_ref().map(|part| self.heads.read(part, 1, 0));
        let seen = self.heads.forward(parts.each_ref());
        let [query, key, value] = projected;
        Seen([query, key, value, seen])
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
    type Kept = Option<Seen>;

    fn forward(&self, inputs: [View<'_>; 14]) -> (Vec<f32>, Vec<usize>, Self::Kept) {
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
        let asked = Asked {
            heads: self.heads(tokens),
            projections: [affine(qw, qb), affine(kw, kb), affine(vw, vb)],
            queries: &norm(nw, nb, self.epsilon).forward(tokens.values),
            memory: &norm(mw, mb, self.epsilon).forward(memory.values),
        };
        let seen = asked.look();
        let output = affine(pw, pb).forward_onto(&seen.0[3], tokens.values);
        let kept = (!self.recompute).then_some(seen);
        (output, tokens.shape.to_vec(), kept)
    }

    fn backward(
        &self,
        inputs: [View<'_>; 14],
        kept: Self::Kept,
        mut slope: Vec<f32>,
        to: &mut Slopes<14>,
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
        let asked = Asked {
            heads: self.heads(tokens),
            projections: [affine(qw, qb), affine(kw, kb), affine(vw, vb)],
            queries: &norms[0].forward(tokens.values),
            memory: &norms[1].forward(memory.values),
        };
        let Seen([query, key, value, seen]) = kept.unwrap_or_else(|| asked.look());
        affine_slopes(to, [12, 13], &seen, &slope);
        drop(seen);
        let of_seen = affine(pw, pb).slope_of_input(&slope);
        let [of_query, of_key, of_value] =
            backward_heads(asked.heads, [query, key, value], &of_seen);
        drop(of_seen);
        affine_slopes(to, [6, 7], asked.queries, &of_query);
        affine_slopes(to, [8, 9], asked.memory, &of_key);
        affine_slopes(to, [10, 11], asked.memory, &of_value);
        let [query, key, value] = asked.projections;
        let of_queries = query.slope_of_input(&of_query);
        norm_slopes(to, [2, 3], norms[0], tokens.values, &of_queries, &mut slope);
        to.give(0, slope);
        let mut of_memory = key.slope_of_input(&of_key);
        value.add_slope_of_input(&of_value, &mut of_memory);
        let mut of_input = vec![0.0; of_memory.len()];
        norm_slopes(
            to,
            [4, 5],
            norms[1],
            memory.values,
            &of_memory,
            &mut of_input,
        );
        to.give(1, of_input);
    }
}

/// The gradients of queries, keys and values.
pub(super) fn backward_heads(heads: Heads, parts: [Vec<f32>; 3], of_seen: &[f32]) -> [Vec<f32>; 3] {
    let mut slopes = parts.each_ref().map(|part| vec![0.0; part.len()]);
    let blocks = parts.each_ref().map(|part| heads.read(part, 1, 0));
    let to = slopes.each_mut().map(|slope| {
        let [to] = heads.write(slope);
        to
    });
    heads.backward(blocks.each_ref(), of_seen, to);
    slopes
}
