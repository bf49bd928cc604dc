//! Mixed precision: the numbers that matrix products are computed in. Everything between two products is f32.
//!
//! Parameters stay f32. Casting one to bf16 is a step of burn's graph, whose backward pass casts its gradient to f32 again,
//! so what is summed, clipped and applied is always f32. The range of bf16 is that of f32: no loss is scaled.

use burn::tensor::module::linear;
use burn::tensor::{FloatDType, Tensor};
use fratmae_config::Precision;

use crate::attention::{CausalAttention, CrossAttention, SelfAttention};
use crate::block::{DecoderBlock, EncoderBlock, Mlp};
use crate::context_align::ContextAlign;
use crate::decoder::Decoder;
use crate::encoder::{Encoder, PatchEmbed};
use crate::fratmae::FratMae;
use crate::layer::Linear;
use crate::text::{TextBlock, TextEncoder, TextLayers, TextModel};

/// The product of two matrices of f32, as f32.
pub(crate) fn product<const D: usize>(
    left: Tensor<D>,
    right: Tensor<D>,
    precision: Precision,
) -> Tensor<D> {
    match precision {
        Precision::F32 => left.matmul(right),
        Precision::Bf16 => whole(half(left).matmul(half(right))),
    }
}

/// Rows of f32 times a weight of f32, as f32; the bias is added to what the product was rounded to.
///
/// # Shapes
///
/// rows `[.., in]`, weight `[in, out]`, bias `[out]` -> `[.., out]`
pub(crate) fn mixed_linear<const D: usize>(
    rows: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    precision: Precision,
) -> Tensor<D> {
    match (precision, bias) {
        (Precision::F32, bias) => linear(rows, weight, bias),
        (Precision::Bf16, None) => whole(linear(half(rows), half(weight), None)),
        (Precision::Bf16, Some(bias)) => {
            mixed_linear(rows, weight, None, precision) + bias.unsqueeze()
        }
    }
}

fn half<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    tensor.cast(FloatDType::BF16)
}

fn whole<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    tensor.cast(FloatDType::F32)
}

/// A part of the network with matrix products in it.
pub(crate) trait Multiplies {
    /// Says in which numbers it computes them.
    fn compute_in(&mut self, precision: Precision);
}

impl Multiplies for Linear {
    fn compute_in(&mut self, precision: Precision) {
        self.precision = precision;
    }
}

impl<T: Multiplies> Multiplies for Vec<T> {
    fn compute_in(&mut self, precision: Precision) {
        self.iter_mut().for_each(|part| part.compute_in(precision));
    }
}

impl<T: Multiplies> Multiplies for Option<T> {
    fn compute_in(&mut self, precision: Precision) {
        self.iter_mut().for_each(|part| part.compute_in(precision));
    }
}

/// Says which parts of a struct have products.
macro_rules! products_are_in {
    ($of:ty: $($part:ident),+) => {
        impl Multiplies for $of {
            fn compute_in(&mut self, precision: Precision) {
                $(self.$part.compute_in(precision);)+
            }
        }
    };
}

products_are_in!(SelfAttention: qkv, proj);
products_are_in!(CrossAttention: projq, projk, projv, proj);
products_are_in!(CausalAttention: q_proj, k_proj, v_proj, out_proj);
products_are_in!(Mlp: fc1, fc2);
products_are_in!(EncoderBlock: attn, mlp);
products_are_in!(DecoderBlock: attn, cross_attn, mlp);
products_are_in!(PatchEmbed: proj);
products_are_in!(Encoder: patch_embed, blocks);
products_are_in!(Decoder: embed, memory_embed, blocks, pred);
products_are_in!(TextBlock: self_attn, mlp);
products_are_in!(TextLayers: layers);
products_are_in!(TextModel: encoder);
products_are_in!(TextEncoder: text_model, text_projection);
products_are_in!(ContextAlign: pet_projection, text);
products_are_in!(FratMae: pet_encoder, ct_encoder, pet_decoder, ct_decoder, context_align);

#[cfg(test)]
mod tests;
