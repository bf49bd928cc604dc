//! Writing checkpoints while training goes on. The state is copied while a step computes; the copy is hashed and uploaded
//! during the steps after it, at a rate that slows them down by no more than allowed.

mod copier;
mod idle;
mod limiter;
mod rate;
mod upload;
mod writer;

pub use copier::{Copier, SharedWeights};
pub use upload::{OnProgress, WrittenPart};
pub use writer::{BackgroundWriter, OnWritten, WriterSettings};
