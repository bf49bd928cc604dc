//! Owns the turning of an image into canonical axes: axis 0 to the right, 1 anterior, 2 superior.
//!
//! Axes are only exchanged and reversed, never resampled: an oblique image stays oblique to the world, with each
//! axis along the direction it is closest to.

use crate::volume::affine::{self, Affine};
use crate::volume::{Geometry, Volume};

/// The six ways to give three image axes to three world directions.
const ASSIGNMENTS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

/// Which image axis lies along each world direction, and whether it runs against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Orientation {
    /// For right, anterior, superior: the image axis.
    axis: [usize; 3],
    /// For right, anterior, superior: whether that image axis runs the other way.
    reversed: [bool; 3],
}

impl Orientation {
    /// Finds the assignment of axes to directions whose angles are smallest in sum of cosines.
    pub(crate) fn of(affine: &Affine) -> Self {
        let lengths = affine::spacing(affine);
        let cosine = |direction: usize, axis: usize| affine[direction][axis] / lengths[axis];
        let fit = |axes: &[usize; 3]| {
            (0..3)
                .map(|direction| cosine(direction, axes[direction]).abs())
                .sum::<f64>()
        };
        let axis = ASSIGNMENTS
            .iter()
            .copied()
            .fold(ASSIGNMENTS[0], |best, next| {
                if fit(&next) > fit(&best) + 1e-9 {
                    next
                } else {
                    best
                }
            });
        Self {
            axis,
            reversed: [0, 1, 2].map(|direction| cosine(direction, axis[direction]) < 0.0),
        }
    }

    /// Whether the image axes 0, 1, 2 run to the right, anterior and superior, or against it.
    pub(crate) fn is_in_order(&self) -> bool {
        self.axis == [0, 1, 2]
    }

    /// For right, anterior, superior: whether the image axis runs the other way.
    pub(crate) fn reversed(&self) -> [bool; 3] {
        self.reversed
    }

    /// Gives the place of the image once it is in canonical axes.
    pub(crate) fn turn(&self, Geometry { shape, affine }: Geometry) -> Geometry {
        let shape = self.axis.map(|axis| shape[axis]);
        let mut columns = self.axis.map(|axis| affine::column(&affine, axis));
        let mut origin = affine::column(&affine, 3);
        for (direction, step) in columns.iter_mut().enumerate() {
            if self.reversed[direction] {
                for (place, step) in origin.iter_mut().zip(step) {
                    *place += *step * (shape[direction] as f64 - 1.0);
                    *step = -*step;
                }
            }
        }
        Geometry {
            shape,
            affine: affine::from_columns(columns, origin),
        }
    }

    /// Names the directions the image axes run to, as nibabel's `aff2axcodes` does: `LAS`, `RAS`, `LPS`.
    pub(crate) fn code(&self) -> String {
        (0..3).map(|axis| self.letter(axis)).collect()
    }

    fn letter(&self, axis: usize) -> char {
        let direction = self
            .axis
            .iter()
            .position(|&image_axis| image_axis == axis)
            .unwrap_or(0);
        let letters = [('R', 'L'), ('A', 'P'), ('S', 'I')][direction];
        if self.reversed[direction] {
            letters.1
        } else {
            letters.0
        }
    }
}

/// Turns an image into canonical axes (0 = right, 1 = anterior, 2 = superior); every voxel keeps its place in the world.
pub fn canonical(volume: Volume) -> Volume {
    let orientation = Orientation::of(&volume.affine);
    let Geometry { shape, affine } = orientation.turn(volume.geometry());
    let mut voxels = exchange(volume, orientation.axis);
    for (axis, reversed) in orientation.reversed.into_iter().enumerate() {
        if reversed {
            reverse(&mut voxels, shape, axis);
        }
    }
    Volume {
        shape,
        voxels,
        affine,
    }
}

/// Makes image axis `axes[i]` the new axis `i`.
fn exchange(volume: Volume, axes: [usize; 3]) -> Vec<f32> {
    if axes == [0, 1, 2] {
        return volume.voxels;
    }
    let strides = [volume.shape[1] * volume.shape[2], volume.shape[2], 1];
    let shape = axes.map(|axis| volume.shape[axis]);
    let [slow, middle, fast] = axes.map(|axis| strides[axis]);
    let mut voxels = Vec::with_capacity(volume.voxels.len());
    for i in 0..shape[0] {
        for j in 0..shape[1] {
            let start = i * slow + j * middle;
            voxels.extend((0..shape[2]).map(|k| volume.voxels[start + k * fast]));
        }
    }
    voxels
}

/// Reverses one axis in place.
fn reverse(voxels: &mut [f32], shape: [usize; 3], axis: usize) {
    let length = shape[axis];
    let row: usize = shape[axis + 1..].iter().product();
    for block in voxels.chunks_exact_mut((length * row).max(1)) {
        if row == 1 {
            block.reverse();
            continue;
        }
        for near in 0..length / 2 {
            let (front, back) = block.split_at_mut((length - 1 - near) * row);
            front[near * row..(near + 1) * row].swap_with_slice(&mut back[..row]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image whose every voxel holds a number that tells where in the world it lies.
    fn world_stamped(affine: Affine, shape: [usize; 3]) -> Volume {
        let mut voxels = Vec::new();
        for i in 0..shape[0] {
            for j in 0..shape[1] {
                for k in 0..shape[2] {
                    voxels.push(stamp(affine::apply(
                        &affine,
                        [i as f64, j as f64, k as f64],
                    )));
                }
            }
        }
        Volume {
            shape,
            voxels,
            affine,
        }
    }

    fn stamp(world: [f64; 3]) -> f32 {
        (world[0] + 100.0 * world[1] + 10_000.0 * world[2]) as f32
    }

    #[test]
    fn all_48_axis_orders_become_ras_and_no_voxel_moves() {
        for axes in ASSIGNMENTS {
            for signs in 0..8_usize {
                let sign = |axis: usize| if signs >> axis & 1 == 0 { 1.0 } else { -1.0 };
                let mut columns = [[0.0; 3]; 3];
                for axis in 0..3 {
                    columns[axis][axes[axis]] = sign(axis) * (axis + 1) as f64;
                }
                let image =
                    world_stamped(affine::from_columns(columns, [3.0, -2.0, 5.0]), [2, 3, 4]);
                let turned = canonical(image);
                assert_eq!(Orientation::of(&turned.affine).code(), "RAS");
                assert_eq!(turned, world_stamped(turned.affine, turned.shape));
            }
        }
    }

    #[test]
    fn codes_are_those_of_nibabel() {
        let las = [
            [-4.0, 0.0, 0.0, 406.0],
            [0.0, 4.0, 0.0, -195.0],
            [0.0, 0.0, 2.0, -602.5],
        ];
        assert_eq!(Orientation::of(&las).code(), "LAS");
        let coronal = [
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, -1.0, 0.0],
            [0.0, -1.0, 0.0, 0.0],
        ];
        assert_eq!(Orientation::of(&coronal).code(), "RIP");
    }

    #[test]
    fn oblique_axes_go_to_the_closest_directions() {
        let (sine, cosine) = 0.6_f64.sin_cos();
        let turned = [
            [-2.0 * cosine, 2.0 * sine, 0.0, 0.0],
            [2.0 * sine, 2.0 * cosine, 0.0, 0.0],
            [0.0, 0.0, 5.0, 0.0],
        ];
        assert_eq!(Orientation::of(&turned).code(), "LAS");
        let image = world_stamped(turned, [3, 4, 2]);
        let result = canonical(image);
        let expected = world_stamped(result.affine, result.shape);
        assert!(
            result
                .voxels
                .iter()
                .zip(&expected.voxels)
                .all(|(a, b)| (a - b).abs() < 1e-2)
        );
    }
}
