//! Owns the sampling of an image onto a grid that stands at an angle to it: average first where the image is finer,
//! then trilinear interpolation.

use super::{AxisMap, resample};
use crate::volume::Volume;
use crate::volume::affine::{self, Affine};

/// Samples `volume` onto a grid; also says how many voxels of the grid lie inside the image.
///
/// # Shapes
/// The result is row-major over `target`; `grid` takes target indices to the world.
pub(crate) fn sample(
    volume: &Volume,
    target: [usize; 3],
    grid: &Affine,
    outside: f32,
) -> (Vec<f32>, usize) {
    let volume = coarsened(volume, affine::spacing(grid));
    let map = affine::invert(&volume.affine).map(|inverse| affine::compose(&inverse, grid));
    let mut inside = 0;
    let mut result = Vec::with_capacity(target.iter().product());
    for i in 0..target[0] {
        for j in 0..target[1] {
            for k in 0..target[2] {
                let place = map.map(|map| affine::apply(&map, [i as f64, j as f64, k as f64]));
                let value = place.and_then(|place| trilinear(&volume, place));
                inside += usize::from(value.is_some());
                result.push(value.unwrap_or(outside));
            }
        }
    }
    (result, inside)
}

/// Averages the image onto voxels about as large as the target's, so that fine detail does not alias.
fn coarsened(volume: &Volume, target: [f64; 3]) -> Volume {
    let spacing = volume.spacing();
    let shape = [0, 1, 2].map(|axis| {
        let factor = (target[axis] / spacing[axis]).max(1.0);
        ((volume.shape[axis] as f64 / factor).round() as usize).max(1)
    });
    let maps = [0, 1, 2].map(|axis| AxisMap::spanning(volume.shape[axis], shape[axis]));
    let taps = [0, 1, 2].map(|axis| maps[axis].taps(volume.shape[axis], shape[axis]));
    Volume {
        shape,
        voxels: resample(&volume.voxels, volume.shape, &taps, 0.0),
        affine: affine::compose(&volume.affine, &grid_of(maps)),
    }
}

/// The map from output to input indices that three axis maps make.
pub(crate) fn grid_of(maps: [AxisMap; 3]) -> Affine {
    [
        [maps[0].step, 0.0, 0.0, maps[0].offset],
        [0.0, maps[1].step, 0.0, maps[1].offset],
        [0.0, 0.0, maps[2].step, maps[2].offset],
    ]
}

/// Interpolates between the eight voxels around a place; within half a voxel of the border, the border holds.
fn trilinear(volume: &Volume, place: [f64; 3]) -> Option<f32> {
    let mut low = [0; 3];
    let mut step = [0; 3];
    let mut part = [0.0; 3];
    for axis in 0..3 {
        let last = volume.shape[axis] as f64 - 1.0;
        if !(place[axis] >= -0.5 && place[axis] <= last + 0.5) {
            return None;
        }
        let held = place[axis].clamp(0.0, last);
        low[axis] = held as usize;
        step[axis] = usize::from(low[axis] + 1 < volume.shape[axis]);
        part[axis] = (held - low[axis] as f64) as f32;
    }
    let [_, middle, fast] = volume.shape;
    let mut sum = 0.0;
    for corner in 0..8_usize {
        let far = [0, 1, 2].map(|axis| corner >> axis & 1);
        let weight: f32 = (0..3)
            .map(|axis| {
                if far[axis] == 1 {
                    part[axis]
                } else {
                    1.0 - part[axis]
                }
            })
            .product();
        let [i, j, k] = [0, 1, 2].map(|axis| low[axis] + far[axis] * step[axis]);
        sum += weight * volume.voxels[(i * middle + j) * fast + k];
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image of a plane: its value is linear in the world.
    fn plane(shape: [usize; 3], affine: Affine) -> Volume {
        let mut voxels = Vec::new();
        for i in 0..shape[0] {
            for j in 0..shape[1] {
                for k in 0..shape[2] {
                    let [x, y, z] = affine::apply(&affine, [i as f64, j as f64, k as f64]);
                    voxels.push((x + 2.0 * y - 3.0 * z) as f32);
                }
            }
        }
        Volume {
            shape,
            voxels,
            affine,
        }
    }

    #[test]
    fn turned_grid_reads_the_values_of_the_world() {
        let fine = plane(
            [60, 60, 30],
            [
                [1.0, 0.0, 0.0, -30.0],
                [0.0, 1.0, 0.0, -30.0],
                [0.0, 0.0, 2.0, -30.0],
            ],
        );
        let (sine, cosine) = 0.3_f64.sin_cos();
        let grid = [
            [2.0 * cosine, -2.0 * sine, 0.0, -5.0],
            [2.0 * sine, 2.0 * cosine, 0.0, -5.0],
            [0.0, 0.0, 2.0, -8.0],
        ];
        let (found, inside) = sample(&fine, [5, 5, 5], &grid, -1024.0);
        assert_eq!(inside, 125);
        let expected = plane([5, 5, 5], grid);
        assert!(
            found
                .iter()
                .zip(&expected.voxels)
                .all(|(a, b)| (a - b).abs() < 1e-3),
            "{found:?}"
        );
    }

    #[test]
    fn far_away_nothing_is_inside() {
        let image = plane([4, 4, 4], affine::IDENTITY);
        let mut grid = affine::IDENTITY;
        grid[0][3] = 500.0;
        let (found, inside) = sample(&image, [2, 2, 2], &grid, -1024.0);
        assert_eq!((found, inside), (vec![-1024.0; 8], 0));
    }
}
