//! Pretraining as a task: FratMAE learns to rebuild what is hidden of PET or CT, and to tell which sentence belongs to
//! which PET.
//!
//! It owns what is drawn for a sample, the messages that ranks exchange for a slot, the contrastive loss of the global batch, and
//! the first weights. The network is in `model`, the step in `trainer`. Read [`Pretrain`] first.

mod error;
mod first_weights;
mod made_up;
mod masks;
mod message;
mod metrics;
mod task;
#[cfg(test)]
mod tests;

pub use error::PretrainError;
pub use first_weights::{fill_digests, first_weights};
pub use made_up::made_up;
pub use message::{Global, SlotMessage};
pub use metrics::METRICS;
pub use task::{Batch, Pretrain};
