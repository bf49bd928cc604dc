//! Weights in and out of the model as named tensors in torch's layouts. It owns names, shapes and files' contents in
//! memory; whoever calls reads and writes the files.
//!
//! Inside, a `Linear`'s weight is `[in, out]` and a patch kernel `[voxels, width]`; torch has `[out, in]` and
//! `[width, 1, d, h, w]`. [`torch`] is the one place that knows.

mod adapt;
mod clip;
mod error;
mod export;
mod file;
mod first;
mod resize;
mod torch;

pub use clip::text_weights;
pub use error::WeightsError;
pub use export::{export, import};
pub use file::{FileTensor, TensorFile, TensorValues};
pub use first::{InitReport, init_from};
pub use torch::{from_torch, to_torch, torch_shape};
