//! Fused operations on the CPU, each one node of burn's graph: a forward pass and a backward pass written by hand.
//!
//! An operation saves only what its backward pass cannot cheaply compute again. Other devices do not use them: there each
//! layer is its reference composition of burn's operations, which the tests compare with.

mod causal_attention;
mod cross_attention;
mod embedding;
mod heads;
mod layer_norm;
mod linear;
mod mlp;
mod op;
mod self_attention;
mod sink;
mod squared_error;
#[cfg(test)]
mod tests;

pub(crate) use causal_attention::CausalAttentionOp;
pub(crate) use cross_attention::CrossAttentionOp;
pub(crate) use embedding::EmbeddingOp;
pub(crate) use layer_norm::LayerNormOp;
pub(crate) use linear::LinearOp;
pub(crate) use mlp::MlpOp;
pub(crate) use op::{Input, apply, input};
pub(crate) use self_attention::SelfAttentionOp;
pub(crate) use sink::{Sink, catch};
pub(crate) use squared_error::SquaredErrorOp;
