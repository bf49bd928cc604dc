//! FratMAE in burn: two masked encoders, two cross-attention decoders, both losses, and a flat view of the weights.
//!
//! It owns the network, its first values and its gradients. It draws no mask, reads no file and steps no optimizer:
//! masks are arguments, and whoever trains works on the flat vectors. Read [`FratMae::forward`] first: it goes top to
//! bottom as the paper does.

mod attention;
mod block;
mod context_align;
mod cost;
mod decoder;
mod device;
mod encoder;
mod error;
mod flat;
mod fratmae;
mod fused;
mod gradient;
mod group;
mod init;
mod kernel_set;
mod kernels;
mod layer;
mod loss;
mod masking;
mod patchify;
mod positions;
mod precision;
mod slot;
mod stages;
#[cfg(test)]
mod tests;
mod text;
mod tokenizer;
mod vector;
mod weights;

pub use burn::tensor::{Device, Tensor};
pub use fratmae_config::{Model as ModelConfig, Precision};

pub use cost::{PartCost, costs, multiply_rate};
pub use device::{DeviceKind, HAS_CUDA, open};
pub use error::ModelError;
pub use flat::{Parameter, Update};
pub use fratmae::FratMae;
pub use kernel_set::kernel_set;
pub use loss::{Contrast, contrast, contrastive};
pub use masking::{Masks, Modality, n_kept};
pub use patchify::PatchGrid;
pub use slot::{ModalityStats, SlotBatch, SlotForward, SlotStats};
pub use stages::{StageInputs, stages};
pub use text::VOCABULARY;
pub use tokenizer::Tokenizer;
pub use vector::{DeviceVector, GpuMemory, UpdateFactors, bit_sum};
pub use weights::{
    FileTensor, InitReport, TensorFile, TensorValues, WeightsError, export, from_torch, import,
    init_from, text_weights, to_torch, torch_shape,
};
