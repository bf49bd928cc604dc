//! The pre-norm blocks of encoder and decoder. It owns the order of norm, attention and perceptron within a block.

use burn::module::Module;
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor};

use crate::attention::{CrossAttention, SelfAttention};
use crate::layer::{LayerNorm, Linear, VIT_EPSILON};

/// The two-layer perceptron of a block; its activation is an argument.
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

    pub(crate) fn forward(
        &self,
        input: Tensor<3>,
        activation: fn(Tensor<3>) -> Tensor<3>,
    ) -> Tensor<3> {
        self.fc2.forward(activation(self.fc1.forward(input)))
    }
}

/// ViT's block: self-attention, then perceptron.
#[derive(Module, Debug)]
pub(crate) struct EncoderBlock {
    pub(crate) norm1: LayerNorm,
    pub(crate) attn: SelfAttention,
    pub(crate) norm2: LayerNorm,
    pub(crate) mlp: Mlp,
}

impl EncoderBlock {
    pub(crate) fn new(width: usize, heads: usize, mlp_ratio: usize, device: &Device) -> Self {
        Self {
            norm1: LayerNorm::new(width, VIT_EPSILON, device),
            attn: SelfAttention::new(width, heads, device),
            norm2: LayerNorm::new(width, VIT_EPSILON, device),
            mlp: Mlp::new(width, mlp_ratio, device),
        }
    }

    /// # Shapes
    ///
    /// `[batch, tokens, width]` -> the same
    pub(crate) fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let tokens = tokens.clone() + self.attn.forward(self.norm1.forward(tokens));
        tokens.clone() + self.mlp.forward(self.norm2.forward(tokens), gelu)
    }
}

/// The decoder's block: self-attention of the queries (a switch), attention over the other modality, perceptron.
#[derive(Module, Debug)]
pub(crate) struct DecoderBlock {
    pub(crate) norm1: Option<LayerNorm>,
    pub(crate) attn: Option<SelfAttention>,
    pub(crate) norm2: LayerNorm,
    pub(crate) norm_y: LayerNorm,
    pub(crate) cross_attn: CrossAttention,
    pub(crate) norm3: LayerNorm,
    pub(crate) mlp: Mlp,
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
        }
    }

    /// # Shapes
    ///
    /// queries `[batch, tokens, width]`, memory `[batch, memory tokens, width]` -> `[batch, tokens, width]`
    pub(crate) fn forward(&self, queries: Tensor<3>, memory: Tensor<3>) -> Tensor<3> {
        let queries = match (&self.norm1, &self.attn) {
            (Some(norm), Some(attention)) => {
                queries.clone() + attention.forward(norm.forward(queries))
            }
            _ => queries,
        };
        let asked = self.norm2.forward(queries.clone());
        let queries = queries + self.cross_attn.forward(asked, self.norm_y.forward(memory));
        queries.clone() + self.mlp.forward(self.norm3.forward(queries), gelu)
    }
}
