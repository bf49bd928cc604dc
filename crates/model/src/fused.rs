//! Parts of the network as one step of burn's graph each, on the CPU: forward, and a way back written by hand.
//!
//! A part keeps only what its way back cannot cheaply compute again. On other devices nothing here is used: the layers
//! then run as the plain compositions that they also are, and that the tests compare with.

mod affine;
mod causal_attention;
mod cross_attention;
mod layer_norm;
mod op;
mod perceptron;
mod self_attention;
mod sink;
mod squared_error;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use affine::AffineOp;
pub(crate) use causal_attention::CausalAttentionOp;
pub(crate) use cross_attention::CrossAttentionOp;
pub(crate) use layer_norm::LayerNormOp;
pub(crate) use op::{Input, apply, input};
pub(crate) use perceptron::PerceptronOp;
pub(crate) use self_attention::SelfAttentionOp;
pub(crate) use sink::{Sink, catch};
pub(crate) use squared_error::SquaredErrorOp;
pub(crate) use table::TableOp;
