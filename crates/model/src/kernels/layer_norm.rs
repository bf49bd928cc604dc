//! Layer normalisation over rows, forward and backward. Mean and deviation are computed again in the backward pass.

use rayon::prelude::*;

use super::lanes::sum_of;
use super::linear::Target;
use super::rows;

/// Rows whose parts of the weight's gradient are summed before they join the others.
const BLOCK: usize = 16;

/// A layer norm's weights and constant.
#[derive(Clone, Copy)]
pub(crate) struct Norm<'a> {
    pub(crate) weight: &'a [f32],
    pub(crate) bias: &'a [f32],
    pub(crate) epsilon: f32,
}

impl Norm<'_> {
    /// # Shapes
    ///
    /// input `[rows, width]` -> the same
    pub(crate) fn forward(&self, input: &[f32]) -> Vec<f32> {
        let width = self.weight.len();
        let row = |number: usize| &input[number * width..][..width];
        let normalise = |_, row: &mut [f32]| normalise(row, self.weight, self.bias, self.epsilon);
        rows::copied(input.len() / width, width, row, normalise)
    }

    /// Adds the input's gradient to `to`, and returns those of weight and bias one after the other.
    ///
    /// # Shapes
    ///
    /// input, grad and `to` `[rows, width]` -> `[2, width]`
    pub(crate) fn backward(&self, input: &[f32], grad: &[f32], to: &mut [f32]) -> Vec<f32> {
        let width = self.weight.len();
        let block = BLOCK * width;
        let parts: Vec<Vec<f32>> = input
            .par_chunks(block)
            .zip(grad.par_chunks(block))
            .zip(to.par_chunks_mut(block))
            .map(|((input, grad), to)| {
                let mut sums = vec![0.0; 2 * width];
                let mut scratch = vec![0.0; 2 * width];
                let rows = input.chunks_exact(width).zip(grad.chunks_exact(width));
                for ((input, grad), to) in rows.zip(to.chunks_exact_mut(width)) {
                    backward_row(
                        (self.weight, self.epsilon),
                        input,
                        grad,
                        to,
                        &mut sums,
                        &mut scratch,
                    );
                }
                sums
            })
            .collect();
        let mut sums = vec![0.0; 2 * width];
        for part in &parts {
            rows::add_piece(&mut sums, part);
        }
        sums
    }
}

/// Adds a row of sums to a parameter's gradient.
pub(crate) fn add_to(target: Target<'_>, sums: &[f32]) {
    rows::add_piece(target.sums(), sums);
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma",
    "x86_64+avx2+fma"
))]
fn normalise(row: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
    let (mean, scale) = moments(row, epsilon);
    for ((x, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
        *x = ((*x - mean) * scale).mul_add(*weight, *bias);
    }
}

/// A row's mean and one over its deviation.
#[inline(always)]
fn moments(row: &[f32], epsilon: f32) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = sum_of(row, row, |x, _| x) / n;
    let squares = sum_of(row, row, |x, _| (x - mean) * (x - mean));
    (mean, 1.0 / (squares / n + epsilon).sqrt())
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma",
    "x86_64+avx2+fma"
))]
fn backward_row(
    (weight, epsilon): (&[f32], f32),
    input: &[f32],
    grad: &[f32],
    to: &mut [f32],
    sums: &mut [f32],
    scratch: &mut [f32],
) {
    let width = input.len();
    let (mean, scale) = moments(input, epsilon);
    let (weight_grad, bias_grad) = sums.split_at_mut(width);
    let (plain, scaled) = scratch.split_at_mut(width);
    for (plain, x) in plain.iter_mut().zip(input) {
        *plain = (x - mean) * scale;
    }
    for (((sum, bias), plain), grad) in weight_grad.iter_mut().zip(bias_grad).zip(&*plain).zip(grad)
    {
        *sum = grad.mul_add(*plain, *sum);
        *bias += grad;
    }
    for ((scaled, grad), weight) in scaled.iter_mut().zip(grad).zip(weight) {
        *scaled = grad * weight;
    }
    let n = width as f32;
    let mean_grad = sum_of(scaled, scaled, |x, _| x) / n;
    let mean_grad_x = sum_of(scaled, plain, |a, b| a * b) / n;
    for ((to, scaled), plain) in to.iter_mut().zip(&*scaled).zip(&*plain) {
        *to += scale * (scaled - mean_grad - plain * mean_grad_x);
    }
}
