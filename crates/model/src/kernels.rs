//! The loops that training on the CPU spends its time in, on plain slices. They know neither burn nor the network.
//!
//! Each kernel is compiled for several widths of vectors and picks one at run time. Work is cut into pieces whose size
//! depends on the data alone, and every sum is taken in a fixed order with sixteen running sums, so that the bits of a
//! result depend neither on the number of threads nor on the width of the machine's vectors.

pub(crate) mod activation;
pub(crate) mod attention;
mod exponential;
mod lanes;
pub(crate) mod layer_norm;
pub(crate) mod linear;
pub(crate) mod product;
pub(crate) mod rows;
pub(crate) mod squared_error;
#[cfg(test)]
mod tests;
pub(crate) mod threads;
