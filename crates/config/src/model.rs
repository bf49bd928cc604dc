//! The shape of the network. It owns sizes and switches of FratMAE; what they mean in tensors is the `model` crate's.
//!
//! The paper (arXiv 2503.02824v1) states few of these numbers. Each default says whether it is the paper's or ours.

use serde::{Deserialize, Serialize};

use crate::{
    Config, ConfigError,
    rules::{Allowed, Rule},
};

/// Sizes and switches of FratMAE: two encoders, two cross-attention decoders, the contrastive heads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// Voxels of one stack: depth along `data.axis`, then height and width; coronal: along A, R and S.
    pub stack: [usize; 3],
    /// Voxels of one patch, in the axes of `stack`.
    pub patch: [usize; 3],
    /// The two encoders (PET and CT have the same shape and weights of their own).
    pub encoder: Transformer,
    /// The two decoders.
    pub decoder: Decoder,
    /// Hidden width of each block's perceptron, as a multiple of the block's width.
    pub mlp_ratio: usize,
    /// Width of the space in which PET and text are compared.
    pub embedding: usize,
    /// Share of the masked modality's patches that is hidden.
    pub mask_ratio: f64,
    /// Whether one modality of a sample is masked or both.
    pub masking: Masking,
    /// How the masked modality is drawn, where one is.
    pub modality: ModalityDraw,
    /// Whether PET and CT go through one encoder with the same weights.
    pub shared_encoders: bool,
    /// Whether the target of each patch is normalised by its own mean and variance.
    pub norm_pix: bool,
    /// Whether the contrastive loss (ContextAlign) is computed.
    pub contrastive: bool,
    /// A safetensors file, by path or URL, to take first values from: a ViT by timm's or MAE's names, or an earlier export; empty for none.
    pub init_from: String,
    /// BLAKE3 of that file; filled in when the job starts, and compared when it is given.
    pub init_digest: String,
    /// The text encoder.
    pub text: Text,
}

impl Model {
    /// Judges the network by itself, apart from data and training.
    ///
    /// # Errors
    /// `Value` or `Relation`, the first found.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut config = Config {
            model: self.clone(),
            ..Config::default()
        };
        // The data that such stacks are cut from.
        let [depth, height, width] = self.stack;
        config.data.grid = [height, depth, width];
        config.data.stride = 1;
        config.check()
    }
}

impl Default for Model {
    fn default() -> Self {
        Self {
            // Paper: "coronal stacks of 32x160x192".
            stack: [32, 160, 192],
            // Not from the paper: the ViT-B habit, and MONAI's UNETR needs it; 240 tokens a stack.
            patch: [16, 16, 16],
            encoder: Transformer::default(),
            decoder: Decoder::default(),
            // ViT-B.
            mlp_ratio: 4,
            // Not from the paper: the width of CLIP ViT-B's joint space.
            embedding: 512,
            // Paper: "50 % of it masked".
            mask_ratio: 0.5,
            // Paper: one modality is masked, the other is seen whole.
            masking: Masking::Asymmetric,
            // Not from the paper: same expectation as a draw per sample, less variance, equal shapes in every slot.
            modality: ModalityDraw::Balanced,
            // Paper: "separate" encoders.
            shared_encoders: false,
            // Not from the paper, which says MSE only; SUV and HU are absolute scales.
            norm_pix: false,
            // Paper: L_MSE + L_InfoNCE.
            contrastive: true,
            // Not from the paper: weights are drawn from the seed.
            init_from: String::new(),
            init_digest: String::new(),
            text: Text::default(),
        }
    }
}

impl Model {
    /// The sizes that go by a name: `tiny` (the quick start's), `small` (an hour on a few cores) and `base` (the
    /// paper's ViT-B, which is the default).
    pub fn preset(name: &str) -> Option<Self> {
        let sizes = match name {
            "tiny" => [(96, 4, 4), (96, 2, 4), (96, 2, 4)],
            "small" => [(192, 6, 6), (144, 2, 6), (192, 4, 6)],
            "base" => return Some(Self::default()),
            _ => return None,
        };
        let [encoder, decoder, text] = sizes;
        let base = Self::default();
        Some(Self {
            encoder: Transformer {
                width: encoder.0,
                depth: encoder.1,
                heads: encoder.2,
            },
            decoder: Decoder {
                width: decoder.0,
                depth: decoder.1,
                heads: decoder.2,
                ..base.decoder
            },
            text: Text {
                width: text.0,
                depth: text.1,
                heads: text.2,
                ..base.text
            },
            embedding: text.0,
            ..base
        })
    }
}

/// Width, depth and heads of an encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transformer {
    /// Width of a token; a multiple of 6 (three axes of sines and cosines) and of `heads`.
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
}

impl Default for Transformer {
    /// The paper's ViT-B.
    fn default() -> Self {
        Self {
            width: 768,
            depth: 12,
            heads: 12,
        }
    }
}

/// Width, depth and heads of a cross-attention decoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Decoder {
    /// Width of a token; a multiple of 6 and of `heads`.
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Whether each block lets the queries see each other before they look at the other modality.
    pub self_attention: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            // Not from the paper: MAE's 512 is no multiple of 6; 384 is SelfMedMAE's width for volumes.
            width: 384,
            // Not from the paper: MAE's depth.
            depth: 8,
            // Not from the paper: 32 numbers a head, as SelfMedMAE has it.
            heads: 12,
            // Not from the paper: without it the visible half of the masked modality could not inform the hidden half.
            self_attention: true,
        }
    }
}

/// Shape of the CLIP-like text encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Text {
    /// Width of a token.
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Longest sentence in tokens, with its start and end marks.
    pub context: usize,
    /// Whether the text encoder learns; without a word about it, only when it starts from random weights.
    pub trainable: bool,
    /// CLIP's text encoder with its projection as a safetensors file, by HuggingFace's or OpenAI's names; empty for none.
    pub weights: String,
    /// BLAKE3 of that file; filled in when the job starts, and compared when it is given.
    pub weights_digest: String,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            // Paper: CLIP ViT-B, whose text side is 512 wide, 12 deep, 8 heads, 77 tokens.
            width: 512,
            depth: 12,
            heads: 8,
            context: 77,
            // Not from the paper: its weights start at random here, and a random frozen encoder tells nothing apart.
            trainable: true,
            // CLIP's weights cannot be fetched for the user.
            weights: String::new(),
            weights_digest: String::new(),
        }
    }
}

/// How much of a sample is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Masking {
    /// One modality; the other is seen whole.
    Asymmetric,
    /// Both, each for itself; each decoder looks at what is visible of the other.
    Symmetric,
}

/// How the masked modality of a sample is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModalityDraw {
    /// Half of each slot masks PET and half masks CT; which half is drawn.
    Balanced,
    /// Each sample draws for itself, evenly.
    Independent,
}

/// What the keys of this file's sections may be, and what they are for.
pub(crate) const RULES: &[Rule] = &[
    (
        "model.stack",
        Allowed::Sizes(1, 4096),
        "Depth, height and width of a stack in voxels. Paper.",
    ),
    (
        "model.patch",
        Allowed::Sizes(1, 256),
        "Size of a patch in voxels: 240 tokens per stack; [8, 16, 16] gives 480. Not from the paper.",
    ),
    (
        "model.mlp_ratio",
        Allowed::Whole(1, 16),
        "Hidden width of each block's MLP as a multiple of the block's width. ViT-B.",
    ),
    (
        "model.mask_ratio",
        Allowed::Between(0.0, 1.0),
        "Fraction of patches masked in the masked modality. Paper.",
    ),
    (
        "model.masking",
        Allowed::Choice(&["asymmetric", "symmetric"]),
        "\"asymmetric\": one modality of a sample is masked, the other is fully visible. \"symmetric\": both are masked.\n\
         Paper: asymmetric.",
    ),
    (
        "model.modality",
        Allowed::Choice(&["balanced", "independent"]),
        "\"balanced\": half of each slot masks PET, half masks CT. \"independent\": drawn per sample. Not from the paper.",
    ),
    (
        "model.shared_encoders",
        Allowed::Flag,
        "Use one encoder with the same weights for PET and CT. Paper: separate encoders.",
    ),
    (
        "model.norm_pix",
        Allowed::Flag,
        "Normalise each target patch by its own mean and variance. Not from the paper: SUV and HU are absolute scales.",
    ),
    (
        "model.contrastive",
        Allowed::Flag,
        "Use the contrastive loss between PET and text (ContextAlign). Paper.",
    ),
    (
        "model.init_from",
        Allowed::Text,
        "Initial weights from a safetensors file, by path or URL: a ViT with timm's or MAE's tensor names, or an earlier\n\
         export. \"\": random weights.",
    ),
    (
        "model.init_digest",
        Allowed::Text,
        "BLAKE3 digest of that file; filled in when the job starts, and checked if given.",
    ),
    (
        "model.embedding",
        Allowed::Whole(1, 16_384),
        "Width of the space in which PET and text are compared. Not from the paper: CLIP's.",
    ),
    (
        "model.encoder.width",
        Allowed::Whole(6, 16_384),
        "The two encoders (same shape, separate weights): ViT-B. Paper.\nWidth of a token, a multiple of 6.",
    ),
    (
        "model.encoder.depth",
        Allowed::Whole(1, 256),
        "Number of blocks.",
    ),
    (
        "model.encoder.heads",
        Allowed::Whole(1, 256),
        "Attention heads; they divide the width.",
    ),
    (
        "model.decoder.width",
        Allowed::Whole(6, 16_384),
        "The two decoders. Not from the paper: SelfMedMAE's width for volumes; MAE's 512 is not a multiple of 6.\n\
         Width of a token, a multiple of 6.",
    ),
    (
        "model.decoder.depth",
        Allowed::Whole(1, 256),
        "Number of blocks. MAE's.",
    ),
    (
        "model.decoder.heads",
        Allowed::Whole(1, 256),
        "Attention heads; they divide the width.",
    ),
    (
        "model.decoder.self_attention",
        Allowed::Flag,
        "false: queries attend to the other modality only, which is what the paper literally says.",
    ),
    (
        "model.text.width",
        Allowed::Whole(1, 16_384),
        "The text side of CLIP ViT-B. Paper.\nWidth of a token.",
    ),
    (
        "model.text.depth",
        Allowed::Whole(1, 256),
        "Number of blocks.",
    ),
    (
        "model.text.heads",
        Allowed::Whole(1, 256),
        "Attention heads; they divide the width.",
    ),
    (
        "model.text.context",
        Allowed::Whole(8, 77),
        "Longest sentence in tokens, including start and end.",
    ),
    (
        "model.text.trainable",
        Allowed::Flag,
        "Train the text encoder. If not given: true with random weights, false with weights from a file.",
    ),
    (
        "model.text.weights",
        Allowed::Text,
        "Weights of CLIP's text encoder with projection (transformers' CLIPTextModelWithProjection) as safetensors, by\n\
         path or URL. \"\": random weights.",
    ),
    (
        "model.text.weights_digest",
        Allowed::Text,
        "BLAKE3 digest of that file; filled in when the job starts, and checked if given.",
    ),
];
