//! Owns the question whether two images that have one number of voxels also have one place, as their headers say.

use super::{Geometry, affine};

/// Voxels of one grid lie at most this far, in parts of a voxel, from each other in two headers. Tools round spacings
/// (3.27 and 3.27002 mm were seen), which adds up to hundredths over a whole body.
const SAME_GRID: f64 = 0.5;

impl Geometry {
    /// Says why this image, voxel for voxel as large as others, can lie on the grid of none of them, if so; all are in
    /// canonical axes. One that is as large as none may lie anywhere.
    pub fn misplaced_beside(self, others: &[(Self, &str)]) -> Option<String> {
        let mut first = None;
        for (other, name) in others {
            if other.shape != self.shape {
                continue;
            }
            let apart = apart(*other, self);
            if apart <= SAME_GRID {
                return None;
            }
            let [x, y, z] = self.shape;
            first.get_or_insert_with(|| format!(
                "it has the {x} x {y} x {z} voxels of the {name}, but its header puts them up to {apart:.1} voxels away: one of the two headers is wrong"
            ));
        }
        first
    }

    /// Says whether the boxes of two images share space.
    pub fn overlaps(self, other: Self) -> bool {
        let [low, high] = self.bounds();
        let [other_low, other_high] = other.bounds();
        (0..3).all(|axis| low[axis] < other_high[axis] && other_low[axis] < high[axis])
    }
}

/// Gives the farthest that a corner of `other` lies from the same corner of `image`, in voxels.
fn apart(image: Geometry, other: Geometry) -> f64 {
    let Some(inverse) = affine::invert(&image.affine) else {
        return f64::INFINITY;
    };
    let map = affine::compose(&inverse, &other.affine);
    let corner = |corner: usize| {
        let at =
            [0, 1, 2].map(|axis| (corner >> axis & 1) as f64 * (image.shape[axis] as f64 - 1.0));
        let found = affine::apply(&map, at);
        let off = (0..3).map(|axis| (found[axis] - at[axis]).abs());
        off.fold(0.0, f64::max)
    };
    (0..8).map(corner).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(step: f64) -> Geometry {
        Geometry {
            shape: [128, 128, 300],
            affine: [
                [-4.0, 0.0, 0.0, 200.0],
                [0.0, 4.0, 0.0, -200.0],
                [0.0, 0.0, step, -900.0],
            ],
        }
    }

    #[test]
    fn rounded_spacings_are_one_grid_and_others_are_not() {
        assert_eq!(
            grid(3.270_02).misplaced_beside(&[(grid(3.27), "PET")]),
            None
        );
        let reason = grid(3.3).misplaced_beside(&[(grid(3.27), "PET")]).unwrap();
        assert!(
            reason.contains("128 x 128 x 300 voxels of the PET"),
            "{reason}"
        );
        assert!(reason.contains("2.7 voxels away"), "{reason}");
    }

    #[test]
    fn it_is_enough_to_lie_on_one_of_them_and_other_shapes_may_lie_anywhere() {
        let both = [(grid(3.0), "PET"), (grid(3.27), "CT")];
        assert_eq!(grid(3.27).misplaced_beside(&both), None);
        let mut other = grid(1.0);
        other.shape[0] = 99;
        assert_eq!(other.misplaced_beside(&both), None);
    }
}
