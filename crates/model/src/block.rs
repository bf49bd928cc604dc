//! The pre-norm blocks of encoder and decoder. It owns the order of norm, attention and MLP within a block.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use burn::module::Module;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};

use crate::attention::{CrossAttention, SelfAttention};
use crate::fused::{MlpOp, apply, input};
use crate::kernels::activation::Activation;
use crate::layer::{LayerNorm, Linear, VIT_EPSILON};

/// The two-layer MLP of a block; its activation is an argument.
#[derive(Module, Debug)]
pub(crate) struct Mlp {
    pub(crate) fc1: Linear,
    pub(crate) fc2: Linear,
}

impl Mlp {
    pub(crate) fn new(width: usize, ratio: usize, device: &Device) -> Self {
        Self {
            fc1: Linear::new(width, ratio * width, device),
            fc2: Linear::new(ratio * width, width, device),
        }
    }

    /// Tokens + mlp(norm(tokens)).
    ///
    /// # Shapes
    ///
    /// `[batch, tokens, width]` -> the same
    pub(crate) fn residual(
        &self,
        tokens: Tensor<3>,
        norm: &LayerNorm,
        activation: Activation,
        recompute: bool,
    ) -> Tensor<3> {
        self.fused(&tokens, norm, activation, recompute)
            .unwrap_or_else(|| tokens.clone() + self.reference(norm.forward(tokens), activation))
    }

    pub(crate) fn fused(
        &self,
        tokens: &Tensor<3>,
        norm: &LayerNorm,
        activation: Activation,
        recompute: bool,
    ) -> Option<Tensor<3>> {
        let op = MlpOp {
            activation,
            epsilon: norm.epsilon(),
            recompute,
        };
        let (tokens, [norm_w, norm_b]) = (input(tokens)?, norm.inputs()?);
        let ([w1, b1], [w2, b2]) = (self.fc1.inputs()?, self.fc2.inputs()?);
        Some(apply(op, [tokens, norm_w, norm_b, w1, b1, w2, b2]))
    }

    pub(crate) fn reference(&self, input: Tensor<3>, activation: Activation) -> Tensor<3> {
        let hidden = self.fc1.forward(input);
        self.fc2.forward(match activation {
            Activation::Gelu => gelu(hidden),
            Activation::QuickGelu => hidden.clone() * sigmoid(hidden.mul_scalar(1.702)),
        })
    }
}

/// GELU: x times the normal distribution's CDF at x, with its exact derivative.
///
/// burn's backward pass uses the derivative of a tanh approximation, which is off by up to a thousandth. So each number
/// moves along the tangent at its value: the value is the function's, and only the tangent's derivative is saved.
fn gelu(hidden: Tensor<3>) -> Tensor<3> {
    let x = hidden.clone().detach();
    let cdf = (x.clone() * FRAC_1_SQRT_2)
        .erf()
        .mul_scalar(0.5)
        .add_scalar(0.5);
    let density = (x.clone().square() * -0.5).exp() * (0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2);
    let derivative = cdf.clone() + x.clone() * density;
    let rest = x.clone() * cdf - x * derivative.clone();
    hidden * derivative + rest
}

/// ViT's block: self-attention, then MLP.
#[derive(Module, Debug)]
pub(crate) struct EncoderBlock {
    pub(crate) norm1: LayerNorm,
    pub(crate) attn: SelfAttention,
    pub(crate) norm2: LayerNorm,
    pub(crate) mlp: Mlp,
    pub(crate) recompute: bool,
}

impl EncoderBlock {
    pub(crate) fn new(width: usize, heads: usize, mlp_ratio: usize, device: &Device) -> Self {
        Self {
            norm1: LayerNorm::new(width, VIT_EPSILON, device),
            attn: SelfAttention::new(width, heads, device),
            norm2: LayerNorm::new(width, VIT_EPSILON, device),
            mlp: Mlp::new(width, mlp_ratio, device),
            recompute: false,
        }
    }

    /// # Shapes
    ///
    /// `[batch, tokens, width]` -> the same
    pub(crate) fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let tokens = self.attn.residual(tokens, &self.norm1, self.recompute);
        self.mlp
            .residual(tokens, &self.norm2, Activation::Gelu, self.recompute)
    }
}

/// The decoder's block: self-attention of the queries (a switch), attention over the other modality, MLP.
#[derive(Module, Debug)]
pub(crate) struct DecoderBlock {
    pub(crate) norm1: Option<LayerNorm>,
    pub(crate) attn: Option<SelfAttention>,
    pub(crate) norm2: LayerNorm,
    pub(crate) norm_y: LayerNorm,
    pub(crate) cross_attn: CrossAttention,
    pub(crate) norm3: LayerNorm,
    pub(crate) mlp: Mlp,
    pub(crate) recompute: bool,
}

impl DecoderBlock {
    pub(crate) fn new(config: &fratmae_config::Decoder, mlp_ratio: usize, device: &Device) -> Self {
        let (width, heads) = (config.width, config.heads);
        let norm = || LayerNorm::new(width, VIT_EPSILON, device);
        let sees_itself = config.self_attention;
        Self {
            norm1: sees_itself.then(norm),
            attn: sees_itself.then(|| SelfAttention::new(width, heads, device)),
            norm2: norm(),
            norm_y: norm(),
            cross_attn: CrossAttention::new(width, heads, device),
            norm3: norm(),
            mlp: Mlp::new(width, mlp_ratio, device),
            recompute: false,
        }
    }

    /// # Shapes
    ///
    /// queries `[batch, tokens, width]`, memory `[batch, memory tokens, width]` -> `[batch, tokens, width]`
    pub(crate) fn forward(&self, queries: Tensor<3>, memory: Tensor<3>) -> Tensor<3> {
        let queries = self.self_attend(queries);
        self.cross_attend(queries, memory)
    }

    /// Self-attention of the queries, if the block has it.
    pub(crate) fn self_attend(&self, queries: Tensor<3>) -> Tensor<3> {
        match (&self.norm1, &self.attn) {
            (Some(norm), Some(attention)) => attention.residual(queries, norm, self.recompute),
            _ => queries,
        }
    }

    /// Cross-attention to the memory, then the MLP; each query by itself.
    pub(crate) fn cross_attend(&self, queries: Tensor<3>, memory: Tensor<3>) -> Tensor<3> {
        let norms = [&self.norm2, &self.norm_y];
        let queries = self
            .cross_attn
            .residual(queries, memory, norms, self.recompute);
        self.mlp
            .residual(queries, &self.norm3, Activation::Gelu, self.recompute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gelu_has_its_own_value_and_derivative() {
        let device = Device::flex().autodiff();
        let at = Tensor::<3>::from_data([[[0.0_f32, 1.0, -2.0, 2.0]]], &device).require_grad();
        let found = gelu(at.clone());
        let grads = at.grad(&found.clone().sum().backward()).unwrap();
        // The normal distribution's share below x and its density there, from a table.
        let shares = [0.5, 0.841_344_75, 0.022_750_13, 0.977_249_87];
        let densities = [0.398_942_28, 0.241_970_72, 0.053_990_97, 0.053_990_97];
        let places = [0.0, 1.0, -2.0, 2.0_f64]
            .into_iter()
            .zip(shares)
            .zip(densities);
        let numbers = |tensor: Tensor<3>| tensor.try_into_vec_as::<f32>().unwrap();
        let found = numbers(found).into_iter().zip(numbers(grads));
        for (((x, share), density), (value, grad)) in places.zip(found) {
            let close = |a: f32, b: f64| assert!((f64::from(a) - b).abs() < 1e-6, "{x}: {a}, {b}");
            close(value, x * share);
            close(grad, share + x * density);
        }
    }
}
