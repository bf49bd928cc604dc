//! FratMAE in burn.

mod device;
mod error;
mod tokenizer;

pub use burn::tensor::Device;
pub use device::{DeviceKind, open};
pub use error::ModelError;
pub use tokenizer::Tokenizer;
