//! softmax(q k^T / sqrt(d)) v for all heads of all samples, and its way back. Projections are not here.
//!
//! Heads are column blocks of the projections' rows, read and written where they lie. The way back computes the
//! weights again instead of keeping them: they would be the largest tensor of a block.

use rayon::prelude::*;

use super::exponential::exp;
use super::lanes::{largest, sum_of};
use super::product::{Before, Mat, MatMut, Threads, multiply};

/// The heads' shape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    pub(crate) n_samples: usize,
    pub(crate) n_heads: usize,
    /// Numbers a head.
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
        let mut seen = vec![0.0; self.n_samples * query[0].n_rows() * self.width()];
        let [to] = self.write(&mut seen);
        (to, query, key, value).into_par_iter().for_each_init(
            Vec::new,
            |weights, (to, query, key, value)| {
                self.weigh(*query, *key, weights);
                let weights = Mat::new(weights, key.n_rows());
                multiply(to, Before::Overwritten, 1.0, weights, *value, Threads::One);
            },
        );
        seen
    }

    /// Writes the gradients of query, key and value.
    ///
    /// # Shapes
    ///
    /// slope `[samples * query rows, width]`; the rest blocks of `[rows, size]`
    pub(crate) fn backward(
        &self,
        [query, key, value]: [&Blocks<'_>; 3],
        slope: &[f32],
        [to_query, to_key, to_value]: [Vec<MatMut<'_>>; 3],
    ) {
        let slope = self.read(slope, 1, 0);
        let from = (query, key, value, &slope).into_par_iter();
        let to = (to_query, to_key, to_value).into_par_iter();
        from.zip(to).for_each_init(
            || (Vec::new(), Vec::new()),
            |(weights, of_weights), ((query, key, value, slope), to)| {
                self.backward_head([*query, *key, *value], *slope, to, weights, of_weights);
            },
        );
    }

    fn backward_head(
        &self,
        [query, key, value]: [Mat<'_>; 3],
        slope: Mat<'_>,
        (to_query, to_key, to_value): (MatMut<'_>, MatMut<'_>, MatMut<'_>),
        weights: &mut Vec<f32>,
        of_weights: &mut Vec<f32>,
    ) {
        let n_keys = key.n_rows();
        let product = |to: MatMut<'_>, scale, left: Mat<'_>, right: Mat<'_>| {
            multiply(to, Before::Overwritten, scale, left, right, Threads::One);
        };
        self.weigh(query, key, weights);
        product(to_value, 1.0, Mat::new(weights, n_keys).transposed(), slope);
        of_weights.resize(weights.len(), 0.0);
        product(
            MatMut::new(of_weights, n_keys),
            1.0,
            slope,
            value.transposed(),
        );
        softmax_backward(weights, of_weights, n_keys);
        let of_scores = Mat::new(of_weights, n_keys);
        product(to_query, self.scale(), of_scores, key);
        product(to_key, self.scale(), of_scores.transposed(), query);
    }

    /// The weights that each query gives to each key.
    fn weigh(&self, query: Mat<'_>, key: Mat<'_>, weights: &mut Vec<f32>) {
        let n_keys = key.n_rows();
        weights.resize(query.n_rows() * n_keys, 0.0);
        let (to, key) = (MatMut::new(weights, n_keys), key.transposed());
        multiply(
            to,
            Before::Overwritten,
            self.scale(),
            query,
            key,
            Threads::One,
        );
        for (place, row) in weights.chunks_exact_mut(n_keys).enumerate() {
            let n_seen = if self.is_causal { place + 1 } else { n_keys };
            let (seen, later) = row.split_at_mut(n_seen.min(n_keys));
            softmax(seen);
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
fn softmax_backward(weights: &[f32], slopes: &mut [f32], n_keys: usize) {
    for (weights, slopes) in weights
        .chunks_exact(n_keys)
        .zip(slopes.chunks_exact_mut(n_keys))
    {
        let mean = sum_of(weights, slopes, |a, b| a * b);
        for (slope, weight) in slopes.iter_mut().zip(weights) {
            *slope = weight * (*slope - mean);
        }
    }
}
