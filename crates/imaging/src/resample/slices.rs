//! Owns the resampling of an image that comes slice by slice, so that it is never in memory as a whole.
//!
//! It rounds as `resample` does on the whole image, bit for bit, whichever way the axes of the file run.

use std::collections::VecDeque;

use super::Taps;

/// Lines of the result that are filled together: a cache line of what they are read from.
const LINES: usize = 16;

/// An image being resampled; slices are of axis 2, and axis 0 is the fastest.
pub(crate) struct SliceResampler<'a> {
    shape: [usize; 3],
    /// Whether an axis of the file runs against that of the taps.
    reversed: [bool; 3],
    taps: &'a [Vec<Taps>; 3],
    outside: f32,
    /// One slice after axis 1 was resampled.
    rows: Vec<f32>,
    /// Slices resampled in their plane that slices to come still need: number and values.
    waiting: VecDeque<(usize, Vec<f32>)>,
    /// Slices of the result; axis 0 is the fastest.
    planes: Vec<f32>,
    /// Slices of the result that are done.
    done: usize,
}

impl<'a> SliceResampler<'a> {
    /// Starts with nothing read; the taps are those of the axes once they run forwards.
    pub(crate) fn new(
        shape: [usize; 3],
        reversed: [bool; 3],
        taps: &'a [Vec<Taps>; 3],
        outside: f32,
    ) -> Self {
        let result = taps.iter().map(Vec::len).product();
        Self {
            shape,
            reversed,
            taps,
            outside,
            rows: vec![0.0; taps[1].len() * shape[0]],
            waiting: VecDeque::new(),
            planes: vec![0.0; result],
            done: 0,
        }
    }

    /// Takes the next slice of the file.
    pub(crate) fn push(&mut self, slice: &[f32], number: usize) {
        let number = self.forwards(2, number);
        let plane = self.in_plane(slice);
        self.waiting.push_back((number, plane));
        while let Some(output) = self.next_output() {
            let tap = &self.taps[2][output];
            let Some(last) = tap
                .weights
                .len()
                .checked_sub(1)
                .map(|more| tap.first + more)
            else {
                self.finish_output(output);
                continue;
            };
            let is_complete = match self.reversed[2] {
                false => number >= last,
                true => number <= tap.first,
            };
            if !is_complete {
                let is_needed = |&(at, _): &(usize, Vec<f32>)| {
                    if self.reversed[2] {
                        at <= last
                    } else {
                        at >= tap.first
                    }
                };
                self.waiting.retain(is_needed);
                return;
            }
            self.finish_output(output);
        }
    }

    /// Gives the result, row-major with axis 2 the fastest.
    pub(crate) fn finish(mut self) -> Vec<f32> {
        while let Some(output) = self.next_output() {
            self.finish_output(output);
        }
        let [right, anterior, superior] = [0, 1, 2].map(|axis| self.taps[axis].len());
        let mut result = vec![0.0; self.planes.len()];
        // A few lines of the result at a time, so that what is written stays near.
        for a in 0..anterior {
            for first in (0..right).step_by(LINES) {
                let columns = first..right.min(first + LINES);
                for (s, plane) in self.planes.chunks_exact(right * anterior).enumerate() {
                    for r in columns.clone() {
                        result[(r * anterior + a) * superior + s] = plane[a * right + r];
                    }
                }
            }
        }
        result
    }

    /// Turns an index of the file into one of the axis run forwards, and back.
    fn forwards(&self, axis: usize, index: usize) -> usize {
        if self.reversed[axis] {
            self.shape[axis] - 1 - index
        } else {
            index
        }
    }

    /// Names the slice of the result that is complete next.
    fn next_output(&self) -> Option<usize> {
        let outputs = self.taps[2].len();
        let left = outputs.checked_sub(self.done).filter(|&left| left > 0)?;
        Some(if self.reversed[2] {
            left - 1
        } else {
            self.done
        })
    }

    /// Resamples one slice along axis 1, then along axis 0.
    fn in_plane(&mut self, slice: &[f32]) -> Vec<f32> {
        let columns = self.shape[0];
        for (output, tap) in self.taps[1].iter().enumerate() {
            let row = &mut self.rows[output * columns..][..columns];
            row.fill(if tap.weights.is_empty() {
                self.outside
            } else {
                0.0
            });
            for (step, weight) in tap.weights.iter().enumerate() {
                let from = match self.reversed[1] {
                    false => tap.first + step,
                    true => self.shape[1] - 1 - tap.first - step,
                };
                add(row, *weight, &slice[from * columns..][..columns]);
            }
        }
        if self.reversed[0] {
            self.rows
                .chunks_exact_mut(columns)
                .for_each(<[f32]>::reverse);
        }
        let rows = self.rows.chunks_exact(columns);
        rows.flat_map(|row| self.taps[0].iter().map(|tap| self.sum(tap, row)))
            .collect()
    }

    fn sum(&self, tap: &Taps, row: &[f32]) -> f32 {
        if tap.weights.is_empty() {
            return self.outside;
        }
        let values = row[tap.first..].iter().zip(&tap.weights);
        values.fold(0.0, |sum, (value, weight)| sum + weight * value)
    }

    fn finish_output(&mut self, output: usize) {
        let size = self.taps[0].len() * self.taps[1].len();
        let plane = &mut self.planes[output * size..][..size];
        let tap = &self.taps[2][output];
        if tap.weights.is_empty() {
            plane.fill(self.outside);
        }
        for (step, weight) in tap.weights.iter().enumerate() {
            let slice = self.waiting.iter().find(|(at, _)| *at == tap.first + step);
            if let Some((_, values)) = slice {
                add(plane, *weight, values);
            }
        }
        self.done += 1;
    }
}

fn add(sums: &mut [f32], weight: f32, values: &[f32]) {
    sums.iter_mut()
        .zip(values)
        .for_each(|(sum, value)| *sum += weight * value);
}

#[cfg(test)]
mod tests {
    use super::super::{AxisMap, resample};
    use super::*;

    /// Values that round in every sum, (x, y, z) row-major.
    fn image(shape: [usize; 3]) -> Vec<f32> {
        let values = (0..shape.iter().product::<usize>()).map(|index| (index * 7919 % 1013) as f32);
        values.map(|value| value / 7.0 - 30.0).collect()
    }

    /// Gives what comes of the image stored with some axes reversed and read slice by slice.
    fn by_slices(
        voxels: &[f32],
        shape: [usize; 3],
        reversed: [bool; 3],
        taps: &[Vec<Taps>; 3],
    ) -> Vec<f32> {
        let mut resampler = SliceResampler::new(shape, reversed, taps, -1024.0);
        for k in 0..shape[2] {
            let mut slice = Vec::new();
            for (j, i) in (0..shape[1]).flat_map(|j| (0..shape[0]).map(move |i| (j, i))) {
                let [i, j, k] =
                    [(0, i), (1, j), (2, k)].map(|(axis, at)| resampler.forwards(axis, at));
                slice.push(voxels[(i * shape[1] + j) * shape[2] + k]);
            }
            resampler.push(&slice, k);
        }
        resampler.finish()
    }

    fn assert_same(shape: [usize; 3], taps: &[Vec<Taps>; 3]) {
        let voxels = image(shape);
        let whole = resample(&voxels, shape, taps, -1024.0);
        for flips in 0..8 {
            let reversed = [0, 1, 2].map(|axis| flips >> axis & 1 == 1);
            let found = by_slices(&voxels, shape, reversed, taps);
            assert!(
                found
                    .iter()
                    .map(|value| value.to_bits())
                    .eq(whole.iter().map(|value| value.to_bits())),
                "{reversed:?}"
            );
        }
    }

    #[test]
    fn slices_give_the_bits_of_the_whole_image_whichever_way_they_come() {
        let shape = [11, 9, 13];
        for target in [[5, 4, 6], [11, 9, 13], [20, 3, 17], [1, 30, 1]] {
            let taps = [0, 1, 2].map(|axis| {
                AxisMap::spanning(shape[axis], target[axis]).taps(shape[axis], target[axis])
            });
            assert_same(shape, &taps);
        }
    }

    #[test]
    fn slices_that_do_not_reach_over_the_target_leave_the_rest_outside() {
        let shape = [6, 5, 7];
        for (step, offset) in [(1.5, -4.0), (0.7, 3.2), (3.0, -50.0), (2.0, 40.0)] {
            let taps = [0, 1, 2].map(|axis| AxisMap { step, offset }.taps(shape[axis], 9));
            assert_same(shape, &taps);
        }
    }

    #[test]
    fn only_slices_that_are_still_needed_are_held() {
        let taps = [(4, 4), (4, 4), (300, 100)]
            .map(|(input, output)| AxisMap::spanning(input, output).taps(input, output));
        let mut resampler = SliceResampler::new([4, 4, 300], [false; 3], &taps, 0.0);
        for k in 0..300 {
            resampler.push(&[1.0; 16], k);
            assert!(resampler.waiting.len() <= 4, "{k}");
        }
        assert!(
            resampler
                .finish()
                .iter()
                .all(|value| (value - 1.0).abs() < 1e-6)
        );
    }
}
