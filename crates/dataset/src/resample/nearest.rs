//! Owns the sampling of labels: each output voxel takes the label its centre lies in, so that no label is invented.

use crate::volume::affine::{self, Affine};

/// Samples labels onto a grid; voxels outside are 0.
///
/// # Shapes
/// `labels` is row-major over `shape`, the result over `target`; `map` takes target indices to label indices.
pub(crate) fn sample(
    labels: &[f32],
    shape: [usize; 3],
    target: [usize; 3],
    map: &Affine,
) -> Vec<u8> {
    let mut result = Vec::with_capacity(target.iter().product());
    for i in 0..target[0] {
        for j in 0..target[1] {
            for k in 0..target[2] {
                let place = affine::apply(map, [i as f64, j as f64, k as f64]);
                result.push(index_of(place, shape).map_or(0, |index| labels[index] as u8));
            }
        }
    }
    result
}

/// Finds the voxel that a point lies in.
fn index_of(place: [f64; 3], shape: [usize; 3]) -> Option<usize> {
    let mut index = 0;
    for (value, size) in place.into_iter().zip(shape) {
        let edge = value + 0.5;
        if !(edge >= 0.0 && edge < size as f64) {
            return None;
        }
        index = index * size + edge as usize;
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOUBLED: Affine = [
        [0.5, 0.0, 0.0, -0.25],
        [0.0, 0.5, 0.0, -0.25],
        [0.0, 0.0, 0.5, -0.25],
    ];

    #[test]
    fn growing_repeats_labels_and_invents_none() {
        let grown = sample(&[0.0, 2.0, 7.0, 1.0], [1, 2, 2], [2, 4, 4], &DOUBLED);
        let half = [0, 0, 2, 2, 0, 0, 2, 2, 7, 7, 1, 1, 7, 7, 1, 1];
        assert_eq!(grown, [half, half].concat());
    }

    #[test]
    fn outside_is_background() {
        let shifted: Affine = [
            [1.0, 0.0, 0.0, -1.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ];
        assert_eq!(sample(&[5.0], [1, 1, 1], [3, 1, 1], &shifted), [0, 5, 0]);
    }
}
