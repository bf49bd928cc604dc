//! The mean squared error of each patch and its backward pass. `loss` decides how patches are weighted.

use rayon::prelude::*;

use super::lanes::sum_of;
use super::rows;

/// The mean squared error of each row.
///
/// # Shapes
///
/// prediction and target `[rows, width]` -> `[rows]`
pub(crate) fn row_errors(prediction: &[f32], target: &[f32], width: usize) -> Vec<f32> {
    prediction
        .par_chunks_exact(width)
        .zip(target.par_chunks_exact(width))
        .map(|(prediction, target)| squared_distance(prediction, target) / width as f32)
        .collect()
}

/// The prediction's gradient: its distance from the target times `factor`.
pub(crate) fn backward(prediction: &[f32], target: &[f32], width: usize, factor: f32) -> Vec<f32> {
    let prediction_row = |number: usize| &prediction[number * width..][..width];
    let distance = |number: usize, row: &mut [f32]| {
        scale_distance(row, &target[number * width..][..width], factor);
    };
    rows::copied(prediction.len() / width, width, prediction_row, distance)
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma",
    "x86_64+avx2+fma"
))]
fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    sum_of(a, b, |a, b| (a - b) * (a - b))
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma",
    "x86_64+avx2+fma"
))]
fn scale_distance(row: &mut [f32], target: &[f32], factor: f32) {
    for (x, target) in row.iter_mut().zip(target) {
        *x = (*x - target) * factor;
    }
}
