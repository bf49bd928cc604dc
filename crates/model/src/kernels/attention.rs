//! softmax(q k^T / sqrt(d)) v for all heads of all samples, and its backward pass. Projections are not here.
//!
//! Heads are column blocks of the projections' rows, read and written where they lie. The backward pass computes the
//! weights again instead of keeping them: they would be the largest tensor of a block.

use rayon::prelude::*;

use super::exponential::exp;
use super::lanes::{largest, sum_of};
use super::product::{Beta, Mat, MatMut, Threads, multiply};

/// The heads' shape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    pub(crate) n_samples: usize,
    pub(crate) n_heads: usize,
    pub(crate) size: usize,
    /// Whether a token sees only itself and those before it.
    pub(crate) is_causal: bool,
}

/// Each head's rows in a projection, in the order (sample, head).
pub(crate) type Blocks<'a> = Vec<Mat<'a>>;

impl Heads {
    /// The width of a token: all heads side by side.
    pub(crate) fn width(&self) -> usize {
        self.n_heads * self.size
    }

    /// Part number `part` of a projection whose rows hold one or several parts of all heads.
    pub(crate) fn read<'a>(&self, values: &'a [f32], n_parts: usize, part: usize) -> Blocks<'a> {
        let matrix = Mat::new(values, n_parts * self.width());
        let n_rows = values.len() / (n_parts * self.width() * self.n_samples);
        let block = |number: usize| {
            let (sample, head) = (number / self.n_heads, number % self.n_heads);
            let column = part * self.width() + head * self.size;
            matrix.window([sample * n_rows, column], [n_rows, self.size])
        };
        (0..self.n_samples * self.n_heads).map(block).collect()
    }

    /// All parts of such a projection, to be written.
    pub(crate) fn write<'a, const P: usize>(&self, values: &'a mut [f32]) -> [Vec<MatMut<'a>>; P] {
        let n_rows = values.len() / (P * self.width() * self.n_samples);
        let blocks = MatMut::new(values, P * self.width()).blocks([n_rows, self.size]);
        let mut parts = std::array::from_fn(|_| Vec::with_capacity(blocks.len() / P));
        for (number, block) in blocks.into_iter().enumerate() {
            parts[number / self.n_heads % P].push(block);
        }
        parts
    }

    /// What each query sees.
    ///
    /// # Shapes
    ///
    /// query, key and value: blocks of `[rows, size]` -> `[samples * query rows, width]`
    pub(crate) fn forward(&self, [query, key, value]: [&Blocks<'_>; 3]) -> Vec<f32> {
        let mut attended = vec![0.0; self.n_samples * query[0].n_rows() * self.width()];
        let [to] = self.write(&mut attended);
        (to, query, key, value).into_par_iter().for_each_init(
            Vec::new,
            |weights, (to, query, key, value)| {
                self.attention_weights(*query, *key, weights);
                let weights = Mat::new(weights, key.n_rows());
                multiply(to, Beta::Overwrite, 1.0, weights, *value, Threads::One);
            },
        );
        attended
    }

    /// Writes the gradients of query, key and value.
    ///
    /// # Shapes
    ///
    /// grad `[samples * query rows, width]`; the rest blocks of `[rows, size]`
    pub(crate) fn backward(
        &self,
        [query, key, value]: [&Blocks<'_>; 3],
        grad: &[f32],
        [to_query, to_key, to_value]: [Vec<MatMut<'_>>; 3],
    ) {
        let grad = self.read(grad, 1, 0);
        let from = (query, key, value, &grad).into_par_iter();
        let to = (to_query, to_key, to_value).into_par_iter();
        from.zip(to).for_each_init(
            || (Vec::new(), Vec::new()),
            |(weights, weights_grad), ((query, key, value, grad), to)| {
                self.backward_head([*query, *key, *value], *grad, to, weights, weights_grad);
            },
        );
    }

    fn backward_head(
        &self,
        [query, key, value]: [Mat<'_>; 3],
        grad: Mat<'_>,
        (to_query, to_key, to_value): (MatMut<'_>, MatMut<'_>, MatMut<'_>),
        weights: &mut Vec<f32>,
        weights_grad: &mut Vec<f32>,
    ) {
        let n_keys = key.n_rows();
        let product = |to: MatMut<'_>, scale, left: Mat<'_>, right: Mat<'_>| {
            multiply(to, Beta::Overwrite, scale, left, right, Threads::One);
        };
        self.attention_weights(query, key, weights);
        product(to_value, 1.0, Mat::new(weights, n_keys).transposed(), grad);
        weights_grad.resize(weights.len(), 0.0);
        product(
            MatMut::new(weights_grad, n_keys),
            1.0,
            grad,
            value.transposed(),
        );
        softmax_backward(weights, weights_grad, n_keys);
        let scores_grad = Mat::new(weights_grad, n_keys);
        product(to_query, self.scale(), scores_grad, key);
        product(to_key, self.scale(), scores_grad.transposed(), query);
    }

    /// The weights that each query gives to each key.
    fn attention_weights(&self, query: Mat<'_>, key: Mat<'_>, weights: &mut Vec<f32>) {
        let n_keys = key.n_rows();
        weights.resize(query.n_rows() * n_keys, 0.0);
        let (to, key) = (MatMut::new(weights, n_keys), key.transposed());
        multiply(to, Beta::Overwrite, self.scale(), query, key, Threads::One);
        for (place, row) in weights.chunks_exact_mut(n_keys).enumerate() {
            let n_seen = if self.is_causal { place + 1 } else { n_keys };
            let (attended, later) = row.split_at_mut(n_seen.min(n_keys));
            softmax(attended);
            later.fill(0.0);
        }
    }

    fn scale(&self) -> f32 {
        1.0 / (self.size as f32).sqrt()
    }
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma",
    "x86_64+avx2+fma"
))]
fn softmax(row: &mut [f32]) {
    let largest = largest(row);
    for x in row.iter_mut() {
        *x = exp(*x - largest);
    }
    let share = 1.0 / sum_of(row, row, |x, _| x);
    for x in row {
        *x *= share;
    }
}

/// Turns the weights' gradient into the scores'.
#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma",
    "x86_64+avx2+fma"
))]
fn softmax_backward(weights: &[f32], grads: &mut [f32], n_keys: usize) {
    for (weights, grads) in weights
        .chunks_exact(n_keys)
        .zip(grads.chunks_exact_mut(n_keys))
    {
        let mean = sum_of(weights, grads, |a, b| a * b);
        for (grad, weight) in grads.iter_mut().zip(weights) {
            *grad = weight * (*grad - mean);
        }
    }
}
