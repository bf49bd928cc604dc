//! What the network costs, counted part by part, and how fast this machine multiplies matrices, measured.
//! It trains nothing and holds no weight.

use std::time::Instant;

use burn::tensor::{Device, Tensor};
use fratmae_config::Masking;

use crate::ModelConfig;
use crate::error::ModelError;
use crate::flat::{Parameter, Update};
use crate::masking::n_kept;
use crate::patchify::PatchGrid;

/// Tokens of a sentence, for counting: what `prepare` writes has 15 to 30.
const SENTENCE: usize = 24;

/// One part of the network, averaged over samples.
#[derive(Debug, Clone, PartialEq)]
pub struct PartCost {
    pub name: String,
    /// Tokens that go through its blocks.
    pub tokens: usize,
    pub learning: usize,
    pub fixed: usize,
    /// Floating-point operations forward, a sample; a multiplication and an addition are two.
    pub forward_flops: f64,
    /// The same of both passes; the backward pass costs twice the forward pass.
    pub step_flops: f64,
    /// Bytes saved of a sample for the backward pass, without activation checkpointing.
    pub activation_bytes: f64,
}

/// Counts every part of a model. Norms, softmax and activations are not counted: they are a few percent.
pub fn costs(config: &ModelConfig, parameters: &[Parameter]) -> Vec<PartCost> {
    let count = Count::new(config);
    let mut parts = Vec::new();
    for modality in ["pet", "ct"] {
        if modality == "pet" || !config.shared_encoders {
            parts.push(count.encoder(modality, parameters));
        }
    }
    for modality in ["pet", "ct"] {
        parts.push(count.decoder(modality, parameters));
    }
    if config.contrastive {
        parts.push(count.projection(parameters));
        parts.push(count.text(parameters));
    }
    parts
}

struct Count<'a> {
    config: &'a ModelConfig,
    n_tokens: usize,
    n_kept: usize,
    n_voxels: usize,
}

impl<'a> Count<'a> {
    fn new(config: &'a ModelConfig) -> Self {
        let grid = PatchGrid::new(config);
        Self {
            config,
            n_tokens: grid.n_tokens(),
            n_kept: n_kept(grid.n_tokens(), config.mask_ratio),
            n_voxels: grid.n_patch_voxels(),
        }
    }

    /// Tokens that the two encoders see of a sample, on average over which modality is masked.
    fn seen(&self) -> [usize; 2] {
        match self.config.masking {
            Masking::Asymmetric => [self.n_kept, self.n_tokens],
            Masking::Symmetric => [self.n_kept, self.n_kept],
        }
    }

    /// The mean of a masked pass and a whole one; both of them where one encoder serves both.
    fn encoder(&self, modality: &str, parameters: &[Parameter]) -> PartCost {
        let shape = &self.config.encoder;
        let (width, ratio) = (shape.width, self.config.mlp_ratio);
        let share = if self.config.shared_encoders {
            1.0
        } else {
            0.5
        };
        let mut part = PartCost::new(&format!("{modality} encoder"), parameters, |name| {
            name.starts_with(&format!("{modality}_encoder."))
        });
        for n in self.seen() {
            let block = block(1 + n, 1 + n, width, ratio, shape.heads, 1);
            let embed = 2.0 * (n * self.n_voxels * width) as f64;
            part.add(
                share * (embed + shape.depth as f64 * block.flops),
                share * shape.depth as f64 * block.kept,
            );
            part.tokens += (share * (1 + n) as f64) as usize;
        }
        part
    }

    /// A decoder runs on half of the samples, or on all where both modalities are masked.
    fn decoder(&self, modality: &str, parameters: &[Parameter]) -> PartCost {
        let shape = &self.config.decoder;
        let (width, ratio) = (shape.width, self.config.mlp_ratio);
        let [visible, memory] = self.seen();
        let (share, tokens) = match self.config.masking {
            Masking::Asymmetric => (0.5, 1 + self.n_tokens),
            Masking::Symmetric => (1.0, 1 + self.n_tokens),
        };
        let n_attentions = 1 + usize::from(shape.self_attention);
        let block = block(tokens, 1 + memory, width, ratio, shape.heads, n_attentions);
        let outer = self.config.encoder.width;
        let embed = 2.0 * ((2 + visible + memory) * outer * width) as f64;
        let head = 2.0 * ((self.n_tokens - self.n_kept) * width * self.n_voxels) as f64;
        let mut part = PartCost::new(&format!("{modality} decoder"), parameters, |name| {
            name.starts_with(&format!("{modality}_decoder."))
        });
        part.tokens = tokens;
        part.add(
            share * (embed + head + shape.depth as f64 * block.flops),
            share * shape.depth as f64 * block.kept,
        );
        part
    }

    fn projection(&self, parameters: &[Parameter]) -> PartCost {
        let mut part = PartCost::new("PET projection", parameters, |name| {
            name == "pet_projection.weight" || name == "logit_scale"
        });
        part.tokens = 1;
        let n = self.config.encoder.width * self.config.embedding;
        part.add(2.0 * n as f64, 4.0 * self.config.encoder.width as f64);
        part
    }

    /// A frozen encoder reads each distinct sentence once in a run: it costs nothing a sample.
    fn text(&self, parameters: &[Parameter]) -> PartCost {
        let shape = &self.config.text;
        let mut part = PartCost::new("text encoder", parameters, |name| name.starts_with("text."));
        part.tokens = SENTENCE.min(shape.context);
        if shape.trainable {
            let ratio = self.config.mlp_ratio;
            let block = block(part.tokens, part.tokens, shape.width, ratio, shape.heads, 1);
            let head = 2.0 * (shape.width * self.config.embedding) as f64;
            part.add(
                head + shape.depth as f64 * block.flops,
                shape.depth as f64 * block.kept,
            );
        }
        part
    }
}

struct BlockCost {
    flops: f64,
    /// Bytes saved for the backward pass.
    kept: f64,
}

/// A block of one or two attentions (the last one over the memory) and an MLP.
fn block(
    tokens: usize,
    memory: usize,
    width: usize,
    ratio: usize,
    heads: usize,
    n_attentions: usize,
) -> BlockCost {
    let (t, c, r) = (tokens as f64, width as f64, ratio as f64);
    let mut flops = 4.0 * t * c * r * c;
    // The block's input, its norm, and the MLP's hidden row before and after its activation.
    let mut kept = t * c * (2.0 + 2.0 * r);
    for attention in 1..=n_attentions {
        let looks_at = if attention == n_attentions {
            memory
        } else {
            tokens
        };
        let m = looks_at as f64;
        flops += 4.0 * t * c * c + 4.0 * m * c * c + 4.0 * t * m * c;
        // Input, norm, query and attention output; key and value; the weights.
        kept += 4.0 * t * c + 2.0 * m * c + heads as f64 * t * m;
    }
    BlockCost {
        flops,
        kept: 4.0 * kept,
    }
}

impl PartCost {
    fn new(name: &str, parameters: &[Parameter], is_own: impl Fn(&str) -> bool) -> Self {
        let own = || parameters.iter().filter(|p| is_own(&p.name));
        let all: usize = own().map(Parameter::len).sum();
        let learning = own().filter(|p| p.update != Update::Frozen);
        let learning = learning.map(Parameter::len).sum();
        Self {
            name: name.to_owned(),
            tokens: 0,
            learning,
            fixed: all - learning,
            forward_flops: 0.0,
            step_flops: 0.0,
            activation_bytes: 0.0,
        }
    }

    fn add(&mut self, forward_flops: f64, activation_bytes: f64) {
        self.forward_flops += forward_flops;
        self.step_flops += 3.0 * forward_flops;
        self.activation_bytes += activation_bytes;
    }
}

/// Side of the square matrices that are multiplied for [`multiply_rate`].
const SIDE: usize = 768;

/// Floating-point operations a second of f32 matrix products on a device, all its threads together: the best of a few.
///
/// # Errors
///
/// [`ModelError::DeviceFailed`] when the device does not give a product back.
pub fn multiply_rate(device: &Device) -> Result<f64, ModelError> {
    let device = device.clone().inner();
    let ones = Tensor::<2>::ones([SIDE, SIDE], &device);
    let flops = 2.0 * (SIDE as f64).powi(3);
    let mut best = 0.0_f64;
    for _ in 0..6 {
        let begin = Instant::now();
        let product = ones.clone().matmul(ones.clone()).narrow(0, 0, 1);
        let row: Vec<f32> = product.try_into_vec_as().map_err(ModelError::device)?;
        let seconds = begin.elapsed().as_secs_f64();
        if row.len() == SIDE {
            best = best.max(flops / seconds.max(1e-9));
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FratMae;
    use crate::tests::tiny;

    fn of(config: &ModelConfig) -> Vec<PartCost> {
        let model = FratMae::new(config, 1, &tiny::device());
        costs(config, &model.parameters())
    }

    #[test]
    fn the_parts_hold_every_parameter() {
        for is_shared in [false, true] {
            let mut config = tiny::config();
            config.shared_encoders = is_shared;
            let all = FratMae::new(&config, 1, &tiny::device()).to_flat();
            let counted: usize = of(&config).iter().map(|p| p.learning + p.fixed).sum();
            assert_eq!(all.len(), counted);
        }
    }

    #[test]
    fn a_block_of_vit_b_costs_what_is_known_of_it() {
        // 24 T C^2 + 4 T^2 C with T = 197, C = 768: ViT-B's 17.6 G multiplications and additions come from twelve of these.
        let block = block(197, 197, 768, 4, 12, 1);
        let known = 24.0 * 197.0 * 768.0 * 768.0 + 4.0 * 197.0 * 197.0 * 768.0;
        assert!((block.flops / known - 1.0).abs() < 1e-12, "{}", block.flops);
        assert!((12.0 * block.flops / 2.0 / 17.4e9 - 1.0).abs() < 0.02);
    }

    #[test]
    fn a_frozen_text_encoder_costs_nothing_a_sample() {
        let mut config = tiny::config();
        config.text.trainable = false;
        let parts = of(&config);
        let text = parts.last().unwrap();
        assert_eq!((text.learning, text.step_flops), (0, 0.0));
        assert!(text.fixed > 0);
    }

    #[test]
    fn more_is_hidden_less_is_computed() {
        let step = |ratio| {
            let mut config = tiny::config();
            config.mask_ratio = ratio;
            of(&config).iter().map(|p| p.step_flops).sum::<f64>()
        };
        assert!(step(0.75) < step(0.25));
    }
}
