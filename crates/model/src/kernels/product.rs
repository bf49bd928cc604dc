//! Matrix products through the `gemm` crate, on views that carry their strides. It owns the pointers to them.
#![expect(
    unsafe_code,
    reason = "gemm takes pointers; the views prove that they stay inside their slices"
)]

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use gemm::Parallelism;

use super::rows;

/// A matrix inside a slice.
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a> {
    start: *const f32,
    shape: [usize; 2],
    steps: [isize; 2],
    values: PhantomData<&'a [f32]>,
}

/// A matrix inside a slice, to be written; no other view reaches its elements.
pub(crate) struct MatMut<'a> {
    start: *mut f32,
    shape: [usize; 2],
    row_step: isize,
    values: PhantomData<&'a mut [f32]>,
}

// SAFETY: a view is a shared slice with strides.
unsafe impl Send for Mat<'_> {}
// SAFETY: likewise.
unsafe impl Sync for Mat<'_> {}
// SAFETY: a view is a mutable slice with strides, and its elements are its own.
unsafe impl Send for MatMut<'_> {}

impl<'a> Mat<'a> {
    /// All of a slice, row-major.
    pub(crate) fn new(values: &'a [f32], n_columns: usize) -> Self {
        let n_rows = values.len() / n_columns;
        assert_eq!(n_rows * n_columns, values.len(), "whole rows");
        Self {
            start: values.as_ptr(),
            shape: [n_rows, n_columns],
            steps: [n_columns as isize, 1],
            values: PhantomData,
        }
    }

    /// Number of rows.
    pub(crate) fn n_rows(&self) -> usize {
        self.shape[0]
    }

    /// Some rows and columns.
    pub(crate) fn window(self, first: [usize; 2], shape: [usize; 2]) -> Self {
        assert!(first[0] + shape[0] <= self.shape[0] && first[1] + shape[1] <= self.shape[1]);
        let offset = first[0] as isize * self.steps[0] + first[1] as isize * self.steps[1];
        Self {
            // SAFETY: the window lies inside this view, as was just asserted.
            start: unsafe { self.start.offset(offset) },
            shape,
            ..self
        }
    }

    /// Rows for columns.
    pub(crate) fn transposed(self) -> Self {
        let ([rows, columns], [row, column]) = (self.shape, self.steps);
        Self {
            shape: [columns, rows],
            steps: [column, row],
            ..self
        }
    }
}

impl<'a> MatMut<'a> {
    /// All of a slice, row-major.
    pub(crate) fn new(values: &'a mut [f32], n_columns: usize) -> Self {
        let n_rows = values.len() / n_columns;
        assert_eq!(n_rows * n_columns, values.len(), "whole rows");
        Self {
            start: values.as_mut_ptr(),
            shape: [n_rows, n_columns],
            row_step: n_columns as isize,
            values: PhantomData,
        }
    }

    /// Cuts the matrix into blocks, left to right and then top to bottom.
    pub(crate) fn blocks(self, shape: [usize; 2]) -> Vec<Self> {
        let counts = [0, 1].map(|axis| self.shape[axis] / shape[axis]);
        assert!(
            (0..2).all(|axis| counts[axis] * shape[axis] == self.shape[axis]),
            "whole blocks"
        );
        let block = |number: usize| {
            let first = [number / counts[1] * shape[0], number % counts[1] * shape[1]];
            let offset = first[0] as isize * self.row_step + first[1] as isize;
            Self {
                // SAFETY: the block lies inside this view, which is given up, and no two blocks share an element.
                start: unsafe { self.start.offset(offset) },
                shape,
                row_step: self.row_step,
                values: PhantomData,
            }
        };
        (0..counts[0] * counts[1]).map(block).collect()
    }
}

/// Whether a product may use all threads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    One,
    All,
}

/// What a product does with the numbers in its target: BLAS's beta, of which 0 and 1 are used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beta {
    Overwrite,
    Accumulate,
}

/// Writes, or adds, `scale * left * right` into `to`.
pub(crate) fn multiply(
    to: MatMut<'_>,
    beta: Beta,
    scale: f32,
    left: Mat<'_>,
    right: Mat<'_>,
    threads: Threads,
) {
    assert_eq!(
        to.shape,
        [left.shape[0], right.shape[1]],
        "shape of a product"
    );
    // SAFETY: the view is writable and as large as the product.
    unsafe { call(to.start, to.row_step, beta, scale, left, right, threads) }
}

/// The product as a vector of its own, row-major.
pub(crate) fn product(left: Mat<'_>, right: Mat<'_>) -> Vec<f32> {
    let [n_rows, n_columns] = [left.shape[0], right.shape[1]];
    let write = |room: &mut [MaybeUninit<f32>]| {
        let (step, beta) = (n_columns as isize, Beta::Overwrite);
        let start = room.as_mut_ptr().cast();
        // SAFETY: the room is as large as the product.
        unsafe { call(start, step, beta, 1.0, left, right, Threads::All) }
    };
    // SAFETY: gemm writes every element of its result.
    unsafe { rows::filled(n_rows * n_columns, write) }
}

/// # Safety
///
/// `to` leads to rows of the product's width, `row_step` apart, that nobody else uses.
unsafe fn call(
    to: *mut f32,
    row_step: isize,
    beta: Beta,
    scale: f32,
    left: Mat<'_>,
    right: Mat<'_>,
    threads: Threads,
) {
    assert_eq!(left.shape[1], right.shape[0], "inner length of a product");
    let parallelism = match threads {
        Threads::One => Parallelism::None,
        Threads::All => Parallelism::Rayon(0),
    };
    // SAFETY: the views lie inside their slices, and the caller answers for `to`.
    unsafe {
        gemm::gemm(
            left.shape[0],
            right.shape[1],
            left.shape[1],
            to,
            1,
            row_step,
            beta == Beta::Accumulate,
            left.start,
            left.steps[1],
            left.steps[0],
            right.start,
            right.steps[1],
            right.steps[0],
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}
