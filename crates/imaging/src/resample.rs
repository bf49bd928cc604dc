//! Owns the change of grid along image axes: what each output voxel takes from which input voxels.
//!
//! Shrinking averages (every input voxel counts by its overlap, so the mean SUV is kept); growing interpolates
//! linearly. Voxels are boxes with half-pixel centres. Grids at an angle are `oblique`'s, labels are `nearest`'s.

pub(crate) mod nearest;
pub(crate) mod oblique;
pub(crate) mod slices;

/// What lies outside by less than this part of a voxel still counts as inside.
const ROUNDING: f64 = 1e-6;

/// The weighted input voxels of one output voxel along one axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Taps {
    first: usize,
    /// Sums to 1; empty where the output voxel's centre lies outside the input.
    weights: Vec<f32>,
}

/// What stands where an image measured nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unmeasured {
    pub value: f32,
    /// Values below this were never measured and count as `value`: they must not enter an average.
    pub below: f32,
}

impl Unmeasured {
    /// Puts the value where others stand for it.
    pub(crate) fn fill(self, voxels: &mut [f32]) {
        for voxel in voxels {
            *voxel = if *voxel < self.below {
                self.value
            } else {
                *voxel
            };
        }
    }
}

/// How the output voxels of one axis lie on the input's: voxel `j` has its centre at input index `offset + step * j`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AxisMap {
    pub(crate) step: f64,
    pub(crate) offset: f64,
}

impl AxisMap {
    /// Lays `output` voxels over exactly the extent of `input` voxels, edge to edge.
    pub(crate) fn spanning(input: usize, output: usize) -> Self {
        let step = input as f64 / output as f64;
        Self {
            step,
            offset: step / 2.0 - 0.5,
        }
    }

    /// Finds the taps of every output voxel.
    pub(crate) fn taps(self, input: usize, output: usize) -> Vec<Taps> {
        (0..output)
            .map(|index| self.tap(input, self.offset + self.step * index as f64))
            .collect()
    }

    fn tap(self, input: usize, centre: f64) -> Taps {
        if centre < -0.5 - ROUNDING || centre > input as f64 - 0.5 + ROUNDING {
            return Taps {
                first: 0,
                weights: Vec::new(),
            };
        }
        if self.step > 1.0 {
            average(input, centre, self.step)
        } else {
            interpolate(input, centre)
        }
    }
}

/// Weighs every input voxel by its overlap with the output voxel, as far as that lies inside.
fn average(input: usize, centre: f64, width: f64) -> Taps {
    let low = (centre + 0.5 - width / 2.0).max(0.0);
    let high = (centre + 0.5 + width / 2.0).min(input as f64);
    let first = (low as usize).min(input - 1);
    let last = (high.ceil() as usize).clamp(first + 1, input);
    let overlap = |index: usize| {
        (high.min(index as f64 + 1.0) - low.max(index as f64)).max(0.0) / (high - low)
    };
    Taps {
        first,
        weights: (first..last).map(|index| overlap(index) as f32).collect(),
    }
}

fn interpolate(input: usize, centre: f64) -> Taps {
    let centre = centre.clamp(0.0, input as f64 - 1.0);
    let first = centre as usize;
    let part = (centre - first as f64) as f32;
    let weights = if part == 0.0 {
        vec![1.0]
    } else {
        vec![1.0 - part, part]
    };
    Taps { first, weights }
}

/// Counts the output voxels that lie inside the input.
pub(crate) fn inside(taps: &[Taps]) -> usize {
    taps.iter().filter(|tap| !tap.weights.is_empty()).count()
}

/// Resamples a row-major image along its three axes; output voxels outside the input take the value `outside`.
///
/// # Shapes
/// `voxels` has `shape` product many values, the result as many as the lengths of the three `taps` multiplied.
pub(crate) fn resample(
    voxels: &[f32],
    shape: [usize; 3],
    taps: &[Vec<Taps>; 3],
    outside: f32,
) -> Vec<f32> {
    // The order of the axes is that of `slices`, so that both round alike.
    let [slow, middle, fast] = shape;
    let one = along(voxels, middle, fast, &taps[1], outside);
    let two = along(&one, slow, taps[1].len() * fast, &taps[0], outside);
    along(&two, fast, 1, &taps[2], outside)
}

/// Resamples one axis of `length` rows of `row` values; slower axes are whatever is left over.
fn along(voxels: &[f32], length: usize, row: usize, taps: &[Taps], outside: f32) -> Vec<f32> {
    let blocks = voxels.len() / (length * row);
    let mut result = vec![0.0; blocks * taps.len() * row];
    let outputs = result.chunks_exact_mut(taps.len() * row);
    for (block, output) in voxels.chunks_exact(length * row).zip(outputs) {
        for (tap, output) in taps.iter().zip(output.chunks_exact_mut(row)) {
            if tap.weights.is_empty() {
                output.fill(outside);
            }
            for (weight, input) in tap
                .weights
                .iter()
                .zip(block[tap.first * row..].chunks_exact(row))
            {
                output
                    .iter_mut()
                    .zip(input)
                    .for_each(|(sum, value)| *sum += weight * value);
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[f32], map: AxisMap, output: usize) -> Vec<f32> {
        along(
            values,
            values.len(),
            1,
            &map.taps(values.len(), output),
            -1024.0,
        )
    }

    fn assert_close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-4),
            "{found:?} is not {expected:?}"
        );
    }

    #[test]
    fn shrinking_averages_by_overlap() {
        assert_close(
            &line(&[1.0, 3.0, 5.0, 7.0], AxisMap::spanning(4, 2), 2),
            &[2.0, 6.0],
        );
        assert_close(
            &line(&[3.0, 6.0, 9.0], AxisMap::spanning(3, 2), 2),
            &[4.0, 8.0],
        );
    }

    #[test]
    fn growing_interpolates_between_centres_and_holds_the_edge() {
        assert_close(
            &line(&[0.0, 4.0], AxisMap::spanning(2, 4), 4),
            &[0.0, 1.0, 3.0, 4.0],
        );
    }

    #[test]
    fn same_grid_changes_nothing() {
        let values: Vec<f32> = (0..50).map(|value| (value * value) as f32).collect();
        assert_eq!(line(&values, AxisMap::spanning(50, 50), 50), values);
    }

    #[test]
    fn outside_takes_the_given_value_and_edges_are_not_mixed_with_it() {
        let shifted = AxisMap {
            step: 1.0,
            offset: -2.0,
        };
        assert_close(
            &line(&[5.0, 6.0], shifted, 6),
            &[-1024.0, -1024.0, 5.0, 6.0, -1024.0, -1024.0],
        );
        let wide = AxisMap {
            step: 2.0,
            offset: 0.0,
        };
        assert_close(
            &line(&[5.0, 7.0], wide, 2),
            &[5.0 * 2.0 / 3.0 + 7.0 / 3.0, -1024.0],
        );
    }

    #[test]
    fn mean_is_kept_when_shrinking_by_any_factor() {
        let values: Vec<f32> = (0..326).map(|value| ((value * 37) % 101) as f32).collect();
        let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
        for output in [1, 7, 160, 192, 325] {
            let shrunk = line(&values, AxisMap::spanning(326, output), output);
            assert!((mean(&shrunk) - mean(&values)).abs() < 1e-2, "{output}");
        }
    }

    #[test]
    fn each_axis_is_resampled_on_its_own() {
        let shape = [4, 2, 3];
        let voxels: Vec<f32> = (0..24)
            .map(|value| (value / 6) as f32 * 100.0 + (value % 3) as f32)
            .collect();
        let taps = [(4, 2), (2, 1), (3, 3)]
            .map(|(input, output)| AxisMap::spanning(input, output).taps(input, output));
        assert_close(
            &resample(&voxels, shape, &taps, 0.0),
            &[50.0, 51.0, 52.0, 250.0, 251.0, 252.0],
        );
    }

    #[test]
    fn taps_always_lie_inside_and_sum_to_one() {
        for input in [1, 2, 3, 28, 400] {
            for output in [1, 2, 5, 160, 192] {
                for tap in AxisMap::spanning(input, output).taps(input, output) {
                    assert!(tap.first + tap.weights.len() <= input);
                    assert!((tap.weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                }
            }
        }
    }
}
