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

/// For each axis the label index of every target index, or nothing where that lies outside.
type Lookups = [Vec<Option<usize>>; 3];

/// Finds the label indices axis by axis; none where the map turns axes into each other.
pub(crate) fn lookups(shape: [usize; 3], target: [usize; 3], map: &Affine) -> Option<Lookups> {
    let is_turned = |row: usize| (0..3).any(|axis| axis != row && map[row][axis] != 0.0);
    if (0..3).any(is_turned) {
        return None;
    }
    Some([0, 1, 2].map(|axis| {
        let place = |index: usize| map[axis][axis] * index as f64 + map[axis][3];
        (0..target[axis])
            .map(|index| along(place(index), shape[axis]))
            .collect()
    }))
}

/// Samples labels that come slice by slice, axis 0 the fastest.
pub(crate) struct SliceSampler {
    shape: [usize; 3],
    /// Whether an axis of the file runs against that of the lookups.
    reversed: [bool; 3],
    lookups: Lookups,
    result: Vec<u8>,
}

impl SliceSampler {
    pub(crate) fn new(shape: [usize; 3], reversed: [bool; 3], lookups: Lookups) -> Self {
        let result = vec![0; lookups.iter().map(Vec::len).product()];
        Self {
            shape,
            reversed,
            lookups,
            result,
        }
    }

    /// Takes a slice of the file.
    pub(crate) fn push(&mut self, slice: &[f32], number: usize) {
        let [right, anterior, superior] = &self.lookups;
        let in_file = |axis: usize, index: usize| match self.reversed[axis] {
            false => index,
            true => self.shape[axis] - 1 - index,
        };
        let number = in_file(2, number);
        let outputs = (0..superior.len()).filter(|&s| superior[s] == Some(number));
        for s in outputs {
            for (r, i) in right.iter().enumerate() {
                for (a, j) in anterior.iter().enumerate() {
                    if let (Some(i), Some(j)) = (i, j) {
                        let label = slice[in_file(1, *j) * self.shape[0] + in_file(0, *i)];
                        self.result[(r * anterior.len() + a) * superior.len() + s] = label as u8;
                    }
                }
            }
        }
    }

    /// Gives the labels, row-major over the target.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.result
    }
}

/// Finds the voxel of one axis that a place lies in.
fn along(place: f64, size: usize) -> Option<usize> {
    let edge = place + 0.5;
    (edge >= 0.0 && edge < size as f64).then_some(edge as usize)
}

/// Finds the voxel that a point lies in.
fn index_of(place: [f64; 3], shape: [usize; 3]) -> Option<usize> {
    let mut index = 0;
    for (value, size) in place.into_iter().zip(shape) {
        index = index * size + along(value, size)?;
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
    fn slices_give_the_labels_of_the_whole_image() {
        let shape = [3, 4, 5];
        let labels: Vec<f32> = (0..60_u8).map(|value| f32::from(value * 7 % 53)).collect();
        let map: Affine = [
            [0.5, 0.0, 0.0, -0.7],
            [0.0, 1.6, 0.0, 0.1],
            [0.0, 0.0, 0.9, -1.5],
        ];
        let target = [8, 3, 7];
        let whole = sample(&labels, shape, target, &map);
        for flips in 0..8_usize {
            let reversed = [0, 1, 2].map(|axis| flips >> axis & 1 == 1);
            let turned = |axis: usize, at: usize| match reversed[axis] {
                true => shape[axis] - 1 - at,
                false => at,
            };
            let lookups = lookups(shape, target, &map).unwrap();
            let mut sampler = SliceSampler::new(shape, reversed, lookups);
            for k in 0..shape[2] {
                let places = (0..shape[1]).flat_map(|j| (0..shape[0]).map(move |i| [i, j]));
                let at = |[i, j]: [usize; 2]| (turned(0, i) * 4 + turned(1, j)) * 5 + turned(2, k);
                let slice: Vec<f32> = places.map(|place| labels[at(place)]).collect();
                sampler.push(&slice, k);
            }
            assert_eq!(sampler.finish(), whole);
        }
        let mut turned = map;
        turned[0][1] = 1e-9;
        assert_eq!(lookups(shape, target, &turned), None);
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
