//! x W + b and its backward pass. It owns no activation; a residual is added where it costs nothing.

use super::product::{Beta, Mat, MatMut, Threads, multiply, product};
use super::rows;

/// The weights of a linear layer.
#[derive(Clone, Copy)]
pub(crate) struct Linear<'a> {
    pub(crate) weight: &'a [f32],
    pub(crate) bias: &'a [f32],
}

/// Where a parameter's gradient goes.
pub(crate) struct Target<'a> {
    pub(crate) values: &'a mut [f32],
    /// Whether it holds a part of the gradient already, or anything.
    pub(crate) beta: Beta,
}

impl<'a> Target<'a> {
    /// The values, zeros where nothing was there before.
    pub(crate) fn sums(self) -> &'a mut [f32] {
        if self.beta == Beta::Overwrite {
            rows::clear(self.values);
        }
        self.values
    }
}

impl<'a> Linear<'a> {
    fn matrix(&self) -> Mat<'a> {
        Mat::new(self.weight, self.bias.len())
    }

    /// Length of a row that goes in.
    fn n_in(&self) -> usize {
        self.weight.len() / self.bias.len()
    }

    /// # Shapes
    ///
    /// input `[rows, in]` -> `[rows, out]`
    pub(crate) fn forward(&self, input: &[f32]) -> Vec<f32> {
        let (n_out, n_rows) = (self.bias.len(), input.len() / self.n_in());
        let begun = rows::copied(n_rows, n_out, |_| self.bias, |_, _| ());
        self.add_product(begun, input)
    }

    /// The same, added to a residual `[rows, out]`.
    pub(crate) fn forward_onto(&self, input: &[f32], residual: &[f32]) -> Vec<f32> {
        let (n_out, n_rows) = (self.bias.len(), input.len() / self.n_in());
        let row = |number: usize| &residual[number * n_out..][..n_out];
        let begun = rows::copied(n_rows, n_out, row, |_, row| rows::add_piece(row, self.bias));
        self.add_product(begun, input)
    }

    fn add_product(&self, mut begun: Vec<f32>, input: &[f32]) -> Vec<f32> {
        let to = MatMut::new(&mut begun, self.bias.len());
        let input = Mat::new(input, self.n_in());
        multiply(
            to,
            Beta::Accumulate,
            1.0,
            input,
            self.matrix(),
            Threads::All,
        );
        begun
    }

    /// The gradient of the input.
    ///
    /// # Shapes
    ///
    /// grad `[rows, out]` -> `[rows, in]`
    pub(crate) fn input_grad(&self, grad: &[f32]) -> Vec<f32> {
        let grad = Mat::new(grad, self.bias.len());
        product(grad, self.matrix().transposed())
    }

    /// Adds the same to a gradient that is there already.
    pub(crate) fn add_input_grad(&self, grad: &[f32], to: &mut [f32]) {
        let to = MatMut::new(to, self.n_in());
        let grad = Mat::new(grad, self.bias.len());
        let weight = self.matrix().transposed();
        multiply(to, Beta::Accumulate, 1.0, grad, weight, Threads::All);
    }
}

/// Writes or adds the weight's gradient.
///
/// # Shapes
///
/// input `[rows, in]`, grad `[rows, out]`, target `[in, out]`
pub(crate) fn weight_grad(input: &[f32], grad: &[f32], n_out: usize, target: Target<'_>) {
    let n_in = target.values.len() / n_out;
    let input = Mat::new(input, n_in).transposed();
    let grad = Mat::new(grad, n_out);
    let to = MatMut::new(target.values, n_out);
    multiply(to, target.beta, 1.0, input, grad, Threads::All);
}

/// Writes or adds the bias's gradient.
pub(crate) fn bias_grad(grad: &[f32], target: Target<'_>) {
    rows::add_column_sums(grad, target.sums());
}
