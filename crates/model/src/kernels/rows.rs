//! Vectors made row by row on all threads, without first filling them with zeros. It owns the only uninitialised memory.

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// Numbers that one task handles; a multiple of whole rows is used.
const PIECE: usize = 1 << 14;

/// Rows that one task handles: whole rows, and about [`PIECE`] numbers.
pub(crate) fn per_piece(width: usize) -> usize {
    (PIECE / width.max(1)).max(1)
}

/// Makes `n_rows` rows: each begins as a copy of `source(row)`, then `change` works on it while it is in the cache.
pub(crate) fn copied<'a>(
    n_rows: usize,
    width: usize,
    source: impl Fn(usize) -> &'a [f32] + Sync,
    change: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let per_piece = per_piece(width);
    let fill = |room: &mut [MaybeUninit<f32>]| {
        room.par_chunks_mut((per_piece * width).max(1))
            .enumerate()
            .for_each(|(piece, rows)| {
                for (at, row) in rows.chunks_exact_mut(width).enumerate() {
                    let number = piece * per_piece + at;
                    change(number, row.write_copy_of_slice(source(number)));
                }
            });
    };
    #[expect(
        unsafe_code,
        reason = "the standard library has no parallel way to fill a vector"
    )]
    // SAFETY: the pieces cover all places in whole rows, and each row is written in full.
    unsafe {
        filled(n_rows * width, fill)
    }
}

/// Makes `n_rows` rows, each of the runs that `runs(row)` gives, one after the other.
///
/// # Panics
///
/// Panics when a row's runs are together not as long as a row.
pub(crate) fn joined<'a, R: Iterator<Item = &'a [f32]>>(
    n_rows: usize,
    width: usize,
    runs: impl Fn(usize) -> R + Sync,
) -> Vec<f32> {
    let fill = |room: &mut [MaybeUninit<f32>]| {
        room.par_chunks_exact_mut(width)
            .enumerate()
            .for_each(|(number, mut row)| {
                for run in runs(number) {
                    let (to, rest) = row.split_at_mut(run.len());
                    to.write_copy_of_slice(run);
                    row = rest;
                }
                assert!(row.is_empty(), "runs fill a row");
            });
    };
    #[expect(
        unsafe_code,
        reason = "the standard library has no parallel way to fill a vector"
    )]
    // SAFETY: the rows cover all places, and each is written to its end.
    unsafe {
        filled(n_rows * width, fill)
    }
}

/// Makes a vector whose `length` uninitialised places `fill` writes.
///
/// # Safety
///
/// `fill` writes every place.
#[expect(
    unsafe_code,
    reason = "the one place where uninitialised memory becomes a vector"
)]
pub(super) unsafe fn filled(length: usize, fill: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    let mut made = Vec::with_capacity(length);
    fill(&mut made.spare_capacity_mut()[..length]);
    // SAFETY: the capacity is there, and the caller promises that all of it was written.
    unsafe { made.set_len(length) };
    made
}

/// Adds `more` to `sum`.
pub(crate) fn add(sum: &mut [f32], more: &[f32]) {
    sum.par_chunks_mut(PIECE)
        .zip(more.par_chunks(PIECE))
        .for_each(|(sum, more)| add_piece(sum, more));
}

/// Fills with zeros.
pub(crate) fn clear(values: &mut [f32]) {
    values
        .par_chunks_mut(1 << 18)
        .for_each(|piece| piece.fill(0.0));
}

/// [`add`] on one thread.
#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma",
    "x86_64+avx2+fma"
))]
pub(crate) fn add_piece(sum: &mut [f32], more: &[f32]) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}

/// Adds the sum of all rows to `sums`, top to bottom; each task has columns of its own.
pub(crate) fn add_column_sums(rows: &[f32], sums: &mut [f32]) {
    const COLUMNS: usize = 128;
    let width = sums.len();
    sums.par_chunks_mut(COLUMNS)
        .enumerate()
        .for_each(|(strip, sums)| {
            let first = strip * COLUMNS;
            for row in rows.chunks_exact(width) {
                add_piece(sums, &row[first..first + sums.len()]);
            }
        });
}
