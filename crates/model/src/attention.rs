//! Multi-head attention: over itself, over a memory, and CLIP's causal one. It owns the split into heads, no normalisation.

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use fratmae_config::Precision;

use crate::fused::{CausalAttentionOp, CrossAttentionOp, SelfAttentionOp, apply, input};
use crate::layer::{LayerNorm, Linear};
use crate::precision::product;

/// Self-attention with one fused projection, columns [q; k; v], each [heads, width of a head].
#[derive(Module, Debug)]
pub(crate) struct SelfAttention {
    pub(crate) qkv: Linear,
    pub(crate) proj: Linear,
    heads: usize,
}

impl SelfAttention {
    pub(crate) fn new(width: usize, heads: usize, device: &Device) -> Self {
        Self {
            qkv: Linear::new(width, 3 * width, device),
            proj: Linear::new(width, width, device),
            heads,
        }
    }

    /// Tokens + attention(norm(tokens)).
    ///
    /// # Shapes
    ///
    /// `[batch, tokens, width]` -> the same
    pub(crate) fn residual(
        &self,
        tokens: Tensor<3>,
        norm: &LayerNorm,
        recompute: bool,
    ) -> Tensor<3> {
        self.fused(&tokens, norm, recompute)
            .unwrap_or_else(|| tokens.clone() + self.reference(norm.forward(tokens)))
    }

    pub(crate) fn fused(
        &self,
        tokens: &Tensor<3>,
        norm: &LayerNorm,
        recompute: bool,
    ) -> Option<Tensor<3>> {
        let op = SelfAttentionOp {
            n_heads: self.heads,
            epsilon: norm.epsilon(),
            recompute,
        };
        let tokens = input(tokens)?;
        let ([norm_w, norm_b], [qkv_w, qkv_b]) = (norm.inputs()?, self.qkv.inputs()?);
        let [proj_w, proj_b] = self.proj.inputs()?;
        let inputs = [tokens, norm_w, norm_b, qkv_w, qkv_b, proj_w, proj_b];
        Some(apply(op, inputs))
    }

    /// # Shapes
    ///
    /// `[batch, tokens, width]` -> the same
    pub(crate) fn reference(&self, input: Tensor<3>) -> Tensor<3> {
        let width = input.dims()[2];
        let qkv = self.qkv.forward(input);
        let part = |index| split_heads(qkv.clone().narrow(2, index * width, width), self.heads);
        let attended = attend(part(0), part(1), part(2), None, self.proj.precision);
        self.proj.forward(merge_heads(attended))
    }
}

/// Attention of queries over a memory (paper, section 2.1: queries from the masked modality, keys and values from the other).
#[derive(Module, Debug)]
pub(crate) struct CrossAttention {
    pub(crate) projq: Linear,
    pub(crate) projk: Linear,
    pub(crate) projv: Linear,
    pub(crate) proj: Linear,
    heads: usize,
}

impl CrossAttention {
    pub(crate) fn new(width: usize, heads: usize, device: &Device) -> Self {
        let square = || Linear::new(width, width, device);
        Self {
            projq: square(),
            projk: square(),
            projv: square(),
            proj: square(),
            heads,
        }
    }

    /// Queries + attention(norm(queries), norm_y(memory)).
    ///
    /// # Shapes
    ///
    /// queries `[batch, tokens, width]`, memory `[batch, memory tokens, width]` -> `[batch, tokens, width]`
    pub(crate) fn residual(
        &self,
        queries: Tensor<3>,
        memory: Tensor<3>,
        norms: [&LayerNorm; 2],
        recompute: bool,
    ) -> Tensor<3> {
        let fused = self.fused(&queries, &memory, norms, recompute);
        fused.unwrap_or_else(|| {
            let normed = norms[0].forward(queries.clone());
            queries + self.reference(normed, norms[1].forward(memory))
        })
    }

    pub(crate) fn fused(
        &self,
        queries: &Tensor<3>,
        memory: &Tensor<3>,
        norms: [&LayerNorm; 2],
        recompute: bool,
    ) -> Option<Tensor<3>> {
        let op = CrossAttentionOp {
            n_heads: self.heads,
            epsilon: norms[0].epsilon(),
            recompute,
        };
        let (queries, memory) = (input(queries)?, input(memory)?);
        let ([nw, nb], [mw, mb]) = (norms[0].inputs()?, norms[1].inputs()?);
        let ([qw, qb], [kw, kb]) = (self.projq.inputs()?, self.projk.inputs()?);
        let ([vw, vb], [pw, pb]) = (self.projv.inputs()?, self.proj.inputs()?);
        let inputs = [
            queries, memory, nw, nb, mw, mb, qw, qb, kw, kb, vw, vb, pw, pb,
        ];
        Some(apply(op, inputs))
    }

    /// # Shapes
    ///
    /// queries `[batch, tokens, width]`, memory `[batch, memory tokens, width]` -> `[batch, tokens, width]`
    pub(crate) fn reference(&self, queries: Tensor<3>, memory: Tensor<3>) -> Tensor<3> {
        let query = split_heads(self.projq.forward(queries), self.heads);
        let key = split_heads(self.projk.forward(memory.clone()), self.heads);
        let value = split_heads(self.projv.forward(memory), self.heads);
        let attended = attend(query, key, value, None, self.proj.precision);
        self.proj.forward(merge_heads(attended))
    }
}

/// CLIP's self-attention: separate projections, each token sees those before it.
#[derive(Module, Debug)]
pub(crate) struct CausalAttention {
    pub(crate) q_proj: Linear,
    pub(crate) k_proj: Linear,
    pub(crate) v_proj: Linear,
    pub(crate) out_proj: Linear,
    heads: usize,
}

impl CausalAttention {
    pub(crate) fn new(width: usize, heads: usize, device: &Device) -> Self {
        let square = || Linear::new(width, width, device);
        Self {
            q_proj: square(),
            k_proj: square(),
            v_proj: square(),
            out_proj: square(),
            heads,
        }
    }

    /// Tokens + attention(norm(tokens)), each token attending to itself and the earlier ones.
    ///
    /// # Shapes
    ///
    /// tokens `[batch, tokens, width]`, bias `[1, 1, tokens, tokens]` from [`causal_bias`] -> `[batch, tokens, width]`
    pub(crate) fn residual(
        &self,
        tokens: Tensor<3>,
        norm: &LayerNorm,
        bias: Tensor<4>,
    ) -> Tensor<3> {
        self.fused(&tokens, norm)
            .unwrap_or_else(|| tokens.clone() + self.reference(norm.forward(tokens), bias))
    }

    pub(crate) fn fused(&self, tokens: &Tensor<3>, norm: &LayerNorm) -> Option<Tensor<3>> {
        let op = CausalAttentionOp {
            n_heads: self.heads,
            epsilon: norm.epsilon(),
            recompute: false,
        };
        let (tokens, [nw, nb]) = (input(tokens)?, norm.inputs()?);
        let ([qw, qb], [kw, kb]) = (self.q_proj.inputs()?, self.k_proj.inputs()?);
        let ([vw, vb], [ow, ob]) = (self.v_proj.inputs()?, self.out_proj.inputs()?);
        Some(apply(op, [tokens, nw, nb, qw, qb, kw, kb, vw, vb, ow, ob]))
    }

    /// # Shapes
    ///
    /// input `[batch, tokens, width]`, bias `[1, 1, tokens, tokens]` from [`causal_bias`] -> `[batch, tokens, width]`
    pub(crate) fn reference(&self, input: Tensor<3>, bias: Tensor<4>) -> Tensor<3> {
        let part = |layer: &Linear| split_heads(layer.forward(input.clone()), self.heads);
        let (query, key, value) = (part(&self.q_proj), part(&self.k_proj), part(&self.v_proj));
        let attended = attend(query, key, value, Some(bias), self.out_proj.precision);
        self.out_proj.forward(merge_heads(attended))
    }
}

/// The mask that is added to the scores: zero up to the diagonal, minus infinity past it.
pub(crate) fn causal_bias(n_tokens: usize, device: &Device) -> Tensor<4> {
    let scores = (0..n_tokens * n_tokens)
        .map(|at| {
            if at % n_tokens > at / n_tokens {
                f32::NEG_INFINITY
            } else {
                0.0
            }
        })
        .collect::<Vec<_>>();
    Tensor::<1>::from_data(scores.as_slice(), device).reshape([1, 1, n_tokens, n_tokens])
}

/// softmax(q k^T / sqrt(d)) v. The query is scaled, not the scores: it is the smaller of the two.
fn attend(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    bias: Option<Tensor<4>>,
    precision: Precision,
) -> Tensor<4> {
    let scale = 1.0 / (query.dims()[3] as f64).sqrt();
    let scores = product(query.mul_scalar(scale), key.transpose(), precision);
    let scores = match bias {
        Some(bias) => scores + bias,
        None => scores,
    };
    product(softmax(scores, 3), value, precision)
}

/// `[batch, tokens, width]` -> `[batch, heads, tokens, width / heads]`
fn split_heads(input: Tensor<3>, heads: usize) -> Tensor<4> {
    let [batch, tokens, width] = input.dims();
    input
        .reshape([batch, tokens, heads, width / heads])
        .swap_dims(1, 2)
}

/// `[batch, heads, tokens, width / heads]` -> `[batch, tokens, width]`
fn merge_heads(input: Tensor<4>) -> Tensor<3> {
    let [batch, heads, tokens, per_head] = input.dims();
    input
        .swap_dims(1, 2)
        .reshape([batch, tokens, heads * per_head])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor<const D: usize>(shape: [usize; D], values: &[f32]) -> Tensor<D> {
        Tensor::<1>::from_data(values, &Device::flex()).reshape(shape)
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.try_into_vec_as().unwrap()
    }

    #[test]
    fn heads_split_and_merge_without_loss() {
        let numbers: Vec<f32> = (0..24_u8).map(f32::from).collect();
        let split = split_heads(tensor([2, 3, 4], &numbers), 2);
        // Batch 0, head 1: the right half of each of the three tokens.
        let head = split.clone().slice([0..1, 1..2, 0..3, 0..2]);
        assert_eq!(values(head), [2., 3., 6., 7., 10., 11.]);
        assert_eq!(values(merge_heads(split)), numbers);
    }

    #[test]
    fn attention_is_the_softmax_weighted_mean_of_the_values() {
        let query = tensor([1, 1, 1, 4], &[2.0 * 3_f32.ln(), 0.0, 0.0, 0.0]);
        let key = tensor([1, 1, 2, 4], &[1., 0., 0., 0., 0., 0., 0., 0.]);
        let value = tensor([1, 1, 2, 1], &[4.0, 8.0]);
        // Scores 2 ln 3 / sqrt(4) = ln 3 and 0: weights 3/4 and 1/4.
        let seen = values(attend(query, key, value, None, Precision::F32));
        assert!((seen[0] - 5.0).abs() < 1e-6, "{seen:?}");
    }

    #[test]
    fn under_the_causal_bias_the_first_token_sees_itself_only() {
        let zeros = Tensor::zeros([1, 1, 2, 1], &Device::flex());
        let value = tensor([1, 1, 2, 1], &[4.0, 8.0]);
        let bias = causal_bias(2, &Device::flex());
        let attended = attend(zeros.clone(), zeros, value, Some(bias), Precision::F32);
        assert_eq!(values(attended), [4.0, 6.0]);
    }
}
