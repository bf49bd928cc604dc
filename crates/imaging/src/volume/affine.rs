//! Owns the arithmetic of affine maps between voxel indices and the world. It knows no image.

use super::vector::{cross, dot, length};

/// A map from voxel indices to millimetres: three rows of a 4x4 matrix whose last row is `0 0 0 1`.
pub type Affine = [[f64; 4]; 3];

/// The map that changes nothing.
#[cfg(test)]
pub(crate) const IDENTITY: Affine = [
    [1.0, 0.0, 0.0, 0.0],
    [0.0, 1.0, 0.0, 0.0],
    [0.0, 0.0, 1.0, 0.0],
];

/// Below this, the unit-length columns of an affine count as linearly dependent.
const SMALLEST_VOLUME: f64 = 1e-3;
/// A thousand kilometres in millimetres: no image lies beyond, and nothing below overflows when it is counted on from
/// voxel to voxel or kept in 32 bits.
const FARTHEST: f64 = 1e9;

/// Maps a point.
pub(crate) fn apply(affine: &Affine, point: [f64; 3]) -> [f64; 3] {
    affine.map(|row| row[0] * point[0] + row[1] * point[1] + row[2] * point[2] + row[3])
}

/// Gives the step in the world that one voxel along `axis` makes.
pub(crate) fn column(affine: &Affine, axis: usize) -> [f64; 3] {
    [affine[0][axis], affine[1][axis], affine[2][axis]]
}

/// Builds an affine from the steps of the three axes and the place of voxel (0, 0, 0).
pub(crate) fn from_columns(columns: [[f64; 3]; 3], origin: [f64; 3]) -> Affine {
    [0, 1, 2].map(|row| {
        [
            columns[0][row],
            columns[1][row],
            columns[2][row],
            origin[row],
        ]
    })
}

/// Gives the length of a voxel along each axis.
pub(crate) fn spacing(affine: &Affine) -> [f64; 3] {
    [0, 1, 2].map(|axis| length(column(affine, axis)))
}

/// Maps by `first`, then by `second`, in one map.
pub(crate) fn compose(second: &Affine, first: &Affine) -> Affine {
    let mut result = [[0.0; 4]; 3];
    for (row, out) in second.iter().zip(&mut result) {
        for (axis, value) in out.iter_mut().enumerate() {
            *value = row[0] * first[0][axis] + row[1] * first[1][axis] + row[2] * first[2][axis];
        }
        out[3] += row[3];
    }
    result
}

/// Gives the inverse map, or nothing where the axes do not span space.
pub(crate) fn invert(affine: &Affine) -> Option<Affine> {
    if !spans_space(affine) {
        return None;
    }
    let [a, b, c] = [0, 1, 2].map(|axis| column(affine, axis));
    let volume = dot(a, cross(b, c));
    let rows = [cross(b, c), cross(c, a), cross(a, b)].map(|row| row.map(|value| value / volume));
    let origin = column(affine, 3);
    Some(rows.map(|row| [row[0], row[1], row[2], -dot(row, origin)]))
}

/// Whether every number can be one of millimetres and the three axes are independent directions.
pub(crate) fn spans_space(affine: &Affine) -> bool {
    let lengths = spacing(affine);
    let is_near = |value: &f64| value.abs() <= FARTHEST;
    if !affine.iter().flatten().all(is_near) || lengths.iter().any(|length| *length < 1e-6) {
        return false;
    }
    let [a, b, c] = [0, 1, 2].map(|axis| column(affine, axis).map(|value| value / lengths[axis]));
    dot(a, cross(b, c)).abs() > SMALLEST_VOLUME
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKEWED: Affine = [
        [-2.0, 0.3, 0.0, 10.0],
        [0.1, 3.0, 0.2, -4.0],
        [0.0, -0.5, 4.0, 7.0],
    ];

    #[test]
    fn inverse_undoes_the_map() {
        let round_trip = compose(&invert(&SKEWED).unwrap(), &SKEWED);
        for (value, expected) in round_trip.iter().flatten().zip(IDENTITY.iter().flatten()) {
            assert!((value - expected).abs() < 1e-12, "{round_trip:?}");
        }
    }

    #[test]
    fn composition_maps_as_one_after_the_other() {
        let shift = [
            [1.0, 0.0, 0.0, 5.0],
            [0.0, 2.0, 0.0, 6.0],
            [0.0, 0.0, 3.0, 7.0],
        ];
        let point = [1.0, -2.0, 0.5];
        let expected = apply(&SKEWED, apply(&shift, point));
        let found = apply(&compose(&SKEWED, &shift), point);
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-12)
        );
    }

    #[test]
    fn dependent_axes_have_no_inverse() {
        let flat = [
            [1.0, 2.0, 0.0, 0.0],
            [1.0, 2.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ];
        assert_eq!(invert(&flat), None);
        let mut empty_axis = IDENTITY;
        empty_axis[2][2] = 0.0;
        assert_eq!(invert(&empty_axis), None);
        let mut not_finite = IDENTITY;
        not_finite[0][3] = f64::NAN;
        assert_eq!(invert(&not_finite), None);
    }

    /// Found by fuzzing: turned over, such an image began at minus infinity in the 32 bits of a NIfTI file.
    #[test]
    fn numbers_beyond_any_image_do_not_span_space() {
        let mut far = IDENTITY;
        far[1][1] = 1.7e38;
        assert!(!spans_space(&far));
        far[1][1] = FARTHEST;
        assert!(spans_space(&far));
    }
}
