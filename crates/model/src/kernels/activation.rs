//! The two activations, forward and backward. They own their formulas; the exponential is a file of its own.

use rayon::prelude::*;

use super::exponential::{exp, normal_cdf, normal_pdf};
use super::rows;

/// CLIP's factor inside the sigmoid.
const QUICK: f32 = 1.702;

/// Numbers that one task handles.
const PIECE: usize = 1 << 13;

/// What an MLP puts between its two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// x times the normal distribution's CDF at x (ViT).
    Gelu,
    /// x times the sigmoid of 1.702 x (CLIP).
    QuickGelu,
}

impl Activation {
    /// The activated values, in a vector of their own.
    pub(crate) fn forward(self, input: &[f32]) -> Vec<f32> {
        let (n_pieces, rest) = (input.len() / PIECE, input.len() % PIECE);
        let (whole, tail) = input.split_at(n_pieces * PIECE);
        let apply = |values: &mut [f32]| match self {
            Self::Gelu => gelu(values),
            Self::QuickGelu => quick_gelu(values),
        };
        let piece = |number: usize| &whole[number * PIECE..][..PIECE];
        let mut made = rows::copied(n_pieces, PIECE, piece, |_, values| apply(values));
        if rest > 0 {
            made.extend_from_slice(tail);
            apply(&mut made[n_pieces * PIECE..]);
        }
        made
    }

    /// Turns `input` into the activated values and the gradient after the activation into the one before it.
    pub(crate) fn backward(self, input: &mut [f32], grad: &mut [f32]) {
        input
            .par_chunks_mut(PIECE)
            .zip(grad.par_chunks_mut(PIECE))
            .for_each(|(input, grad)| match self {
                Self::Gelu => gelu_backward(input, grad),
                Self::QuickGelu => quick_gelu_backward(input, grad),
            });
    }
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma",
    "x86_64+avx2+fma"
))]
fn gelu(values: &mut [f32]) {
    for x in values {
        *x *= normal_cdf(*x);
    }
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma",
    "x86_64+avx2+fma"
))]
fn gelu_backward(input: &mut [f32], grad: &mut [f32]) {
    for (x, grad) in input.iter_mut().zip(grad) {
        let cdf = normal_cdf(*x);
        *grad *= x.mul_add(normal_pdf(*x), cdf);
        *x *= cdf;
    }
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma",
    "x86_64+avx2+fma"
))]
fn quick_gelu(values: &mut [f32]) {
    for x in values {
        *x *= 1.0 / (1.0 + exp(-QUICK * *x));
    }
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma",
    "x86_64+avx2+fma"
))]
fn quick_gelu_backward(input: &mut [f32], grad: &mut [f32]) {
    for (x, grad) in input.iter_mut().zip(grad) {
        let sigmoid = 1.0 / (1.0 + exp(-QUICK * *x));
        let bend = QUICK * *x * (1.0 - sigmoid);
        *grad *= sigmoid.mul_add(bend, sigmoid);
        *x *= sigmoid;
    }
}
