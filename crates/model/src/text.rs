//! The CLIP-shaped text encoder, with CLIP's parameter names. It takes token ids; the tokenizer makes them from words.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use fratmae_config::Text;

use crate::ModelConfig;
use crate::attention::{CausalAttention, causal_bias};
use crate::block::Mlp;
use crate::fused::{EmbeddingOp, apply, input};
use crate::kernels::activation::Activation;
use crate::layer::{LayerNorm, Linear, zeros};

/// Number of token ids in CLIP's vocabulary.
pub const VOCABULARY: usize = 49_408;

/// LayerNorm's epsilon in CLIP's text encoder.
const EPSILON: f64 = 1e-5;

/// A row per token id, or per place in the sentence.
#[derive(Module, Debug)]
pub(crate) struct Table {
    pub(crate) weight: Param<Tensor<2>>,
}

impl Table {
    /// # Shapes
    ///
    /// one number a row -> `[numbers, width]`
    fn rows(&self, numbers: Vec<u32>) -> Tensor<2> {
        let table = self.weight.val();
        match input(&table) {
            Some(on_cpu) => {
                let numbers = Arc::new(numbers);
                apply(EmbeddingOp { numbers }, [on_cpu])
            }
            None => self.reference(&numbers),
        }
    }

    fn reference(&self, numbers: &[u32]) -> Tensor<2> {
        let table = self.weight.val();
        let numbers: Vec<i64> = numbers.iter().map(|&number| i64::from(number)).collect();
        let numbers = Tensor::from_data(numbers.as_slice(), &table.device());
        table.select(0, numbers)
    }
}

/// Token and position embeddings.
#[derive(Module, Debug)]
pub(crate) struct Embeddings {
    pub(crate) token_embedding: Table,
    pub(crate) position_embedding: Table,
}

/// CLIP's pre-norm block with its causal attention.
#[derive(Module, Debug)]
pub(crate) struct TextBlock {
    pub(crate) layer_norm1: LayerNorm,
    pub(crate) self_attn: CausalAttention,
    pub(crate) layer_norm2: LayerNorm,
    pub(crate) mlp: Mlp,
}

/// The stack of blocks; a struct of its own for its name.
#[derive(Module, Debug)]
pub(crate) struct TextLayers {
    pub(crate) layers: Vec<TextBlock>,
}

/// Embeddings, blocks, final norm.
#[derive(Module, Debug)]
pub(crate) struct TextModel {
    pub(crate) embeddings: Embeddings,
    pub(crate) encoder: TextLayers,
    pub(crate) final_layer_norm: LayerNorm,
}

/// CLIP's text transformer with its projection (paper, section 2.2).
#[derive(Module, Debug)]
pub(crate) struct TextEncoder {
    pub(crate) text_model: TextModel,
    pub(crate) text_projection: Linear,
}

impl TextEncoder {
    pub(crate) fn new(config: &ModelConfig, device: &Device) -> Self {
        let text = &config.text;
        Self {
            text_model: TextModel::new(text, config.mlp_ratio, device),
            text_projection: Linear::without_bias(text.width, config.embedding, device),
        }
    }

    /// Encodes sentences; each is read at its end mark, and what pads a shorter one has no influence.
    ///
    /// A sentence longer than the context is cut, its end mark kept.
    ///
    /// # Shapes
    ///
    /// one list of token ids a sentence -> `[sentences, embedding]`, not normalised
    pub(crate) fn forward(&self, sentences: &[&[u32]], device: &Device) -> Tensor<2> {
        let context = self.text_model.embeddings.position_embedding.weight.dims()[0];
        let page = Page::new(sentences, context);
        let (n_sentences, length) = (sentences.len(), page.length);
        let hidden = self.text_model.forward(page.ids, n_sentences, length);
        let [n_sentences, length, width] = hidden.dims();
        let ends = Tensor::from_data(page.ends.as_slice(), device);
        let pooled = hidden
            .reshape([n_sentences * length, width])
            .select(0, ends);
        self.text_projection.forward(pooled)
    }
}

impl TextModel {
    fn new(config: &Text, mlp_ratio: usize, device: &Device) -> Self {
        let width = config.width;
        let norm = || LayerNorm::new(width, EPSILON, device);
        let table = |rows| Table {
            weight: zeros([rows, width], device),
        };
        let block = |_| TextBlock {
            layer_norm1: norm(),
            self_attn: CausalAttention::new(width, config.heads, device),
            layer_norm2: norm(),
            mlp: Mlp::new(width, mlp_ratio, device),
        };
        Self {
            embeddings: Embeddings {
                token_embedding: table(VOCABULARY),
                position_embedding: table(config.context),
            },
            encoder: TextLayers {
                layers: (0..config.depth).map(block).collect(),
            },
            final_layer_norm: norm(),
        }
    }

    /// # Shapes
    ///
    /// ids `[sentences * length]` -> `[sentences, length, width]`
    fn forward(&self, ids: Vec<u32>, n_sentences: usize, length: usize) -> Tensor<3> {
        let device = self.final_layer_norm.weight.device();
        let width = self.embeddings.token_embedding.weight.dims()[1];
        let words = self.embeddings.token_embedding.rows(ids);
        let positions = self
            .embeddings
            .position_embedding
            .weight
            .val()
            .narrow(0, 0, length);
        let tokens = words.reshape([n_sentences, length, width]) + positions.unsqueeze();
        let bias = causal_bias(length, &device);
        let tokens = self
            .encoder
            .layers
            .iter()
            .fold(tokens, |tokens, block| block.forward(tokens, bias.clone()));
        self.final_layer_norm.forward(tokens)
    }
}

impl TextBlock {
    fn forward(&self, tokens: Tensor<3>, bias: Tensor<4>) -> Tensor<3> {
        let tokens = self.self_attn.residual(tokens, &self.layer_norm1, bias);
        self.mlp
            .residual(tokens, &self.layer_norm2, Activation::QuickGelu, false)
    }
}

/// Sentences of one slot as one block of ids: as wide as the longest, the rest padded.
struct Page {
    ids: Vec<u32>,
    length: usize,
    /// Row of each sentence's end mark: the first place of its largest id.
    ends: Vec<i64>,
}

impl Page {
    fn new(sentences: &[&[u32]], context: usize) -> Self {
        let cut: Vec<Vec<u32>> = sentences.iter().map(|ids| cut(ids, context)).collect();
        let length = cut.iter().map(Vec::len).max().unwrap_or(0);
        let mut ids = vec![0; cut.len() * length];
        let mut ends = Vec::with_capacity(cut.len());
        for (sentence, words) in cut.iter().enumerate() {
            let start = sentence * length;
            for (place, &id) in words.iter().enumerate() {
                ids[start + place] = id;
            }
            ends.push((start + first_largest(words)) as i64);
        }
        Self { ids, length, ends }
    }
}

fn cut(ids: &[u32], context: usize) -> Vec<u32> {
    match ids.last() {
        Some(&end) if ids.len() > context => {
            let mut cut = ids[..context.saturating_sub(1)].to_vec();
            cut.push(end);
            cut
        }
        _ => ids.to_vec(),
    }
}

fn first_largest(ids: &[u32]) -> usize {
    let largest = ids.iter().max();
    ids.iter()
        .position(|id| Some(id) == largest)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
