//! Owns the direction along which slices are stacked, and the cutting of slices across it.
//!
//! A data set stores coronal slices, so a stack along another axis is cut out of all of a case. Which slices make a
//! stack is decided by its parent.

/// Names the slices of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StackAxis {
    /// From back to front, each slice (R, S).
    #[default]
    Coronal,
    /// From feet to head, each slice (R, A).
    Axial,
    /// From left to right, each slice (A, S).
    Sagittal,
}

impl StackAxis {
    /// Returns the shape of a stack of `depth` slices, cut from cases of a grid (R, A, S).
    pub fn stack_shape(self, depth: usize, [r, a, s]: [usize; 3]) -> [usize; 3] {
        match self {
            Self::Coronal => [depth, r, s],
            Self::Axial => [depth, r, a],
            Self::Sagittal => [depth, a, s],
        }
    }

    /// Returns how many slices a case of a grid (R, A, S) has.
    pub fn slices(self, [r, a, s]: [usize; 3]) -> usize {
        match self {
            Self::Coronal => a,
            Self::Axial => s,
            Self::Sagittal => r,
        }
    }

    /// Returns the coronal slices that must be read for some slices.
    pub(crate) fn coronal_rows(self, slices: &[u32], grid: [usize; 3]) -> Vec<u32> {
        match self {
            Self::Coronal => slices.to_vec(),
            Self::Axial | Self::Sagittal => (0..grid[1] as u32).collect(),
        }
    }

    /// Cuts slices out of what [`StackAxis::coronal_rows`] asked for, both as values of `BYTES` bytes.
    pub(crate) fn cut<const BYTES: usize>(
        self,
        coronal: Vec<u8>,
        slices: &[u32],
        [r, a, s]: [usize; 3],
    ) -> Vec<u8> {
        let voxels = coronal.as_chunks::<BYTES>().0;
        let line = |row: usize, side: usize| &voxels[(row * r + side) * s..][..s];
        let sides = || (0..r).flat_map(|side| (0..a).map(move |row| (row, side)));
        match self {
            Self::Coronal => coronal,
            Self::Axial => {
                let slice =
                    |&at: &u32| sides().map(move |(row, side)| line(row, side)[at as usize]);
                slices.iter().flat_map(slice).flatten().collect()
            }
            Self::Sagittal => {
                let slice = |&at: &u32| (0..a).flat_map(move |row| line(row, at as usize));
                slices.iter().flat_map(slice).flatten().copied().collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: [usize; 3] = [3, 4, 5];

    /// A volume whose voxel at (r, a, s) holds its place, as stored: coronal slices of (R, S).
    fn volume() -> Vec<u8> {
        let places =
            (0..4_u8).flat_map(|a| (0..3_u8).flat_map(move |r| (0..5_u8).map(move |s| (r, a, s))));
        places.flat_map(|(r, a, s)| [r, a * 16 + s]).collect()
    }

    fn at(bytes: &[u8], shape: [usize; 3], [d, h, w]: [usize; 3]) -> [usize; 3] {
        let place = ((d * shape[1] + h) * shape[2] + w) * 2;
        let [r, rest] = [bytes[place], bytes[place + 1]].map(usize::from);
        [r, rest / 16, rest % 16]
    }

    #[test]
    fn slices_across_any_axis_hold_their_voxels() {
        for (axis, slices) in [
            (StackAxis::Coronal, vec![0, 1, 2, 3]),
            (StackAxis::Axial, vec![1, 3, 4]),
            (StackAxis::Sagittal, vec![0, 2]),
        ] {
            let stack = axis.cut::<2>(volume(), &slices, GRID);
            let shape = axis.stack_shape(slices.len(), GRID);
            assert_eq!(stack.len(), 2 * shape.iter().product::<usize>());
            for (d, &slice) in slices.iter().enumerate() {
                let slice = slice as usize;
                for h in 0..shape[1] {
                    for w in 0..shape[2] {
                        let place = match axis {
                            StackAxis::Coronal => [h, slice, w],
                            StackAxis::Axial => [h, w, slice],
                            StackAxis::Sagittal => [slice, h, w],
                        };
                        assert_eq!(at(&stack, shape, [d, h, w]), place, "{axis:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn only_coronal_stacks_read_single_slices() {
        assert_eq!(StackAxis::Coronal.coronal_rows(&[1, 3], GRID), [1, 3]);
        for axis in [StackAxis::Axial, StackAxis::Sagittal] {
            assert_eq!(axis.coronal_rows(&[1, 2], GRID), [0, 1, 2, 3]);
        }
    }
}
