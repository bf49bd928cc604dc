//! Owns the choice of the affine among the three that a NIfTI-1 header can hold. It reads no voxel.

use nifti::NiftiHeader;

use crate::volume::affine::{self, Affine};

/// How far the squared quaternion may exceed 1 by rounding, as nibabel allows it.
const ROUNDING: f64 = 3.0 * f32::EPSILON as f64;

/// Gives the affine of an image: sform, else qform, else voxel sizes.
pub(super) fn affine_of(header: &NiftiHeader, shape: [usize; 3]) -> Result<Affine, String> {
    let affine = if header.sform_code != 0 {
        [header.srow_x, header.srow_y, header.srow_z].map(|row| row.map(f64::from))
    } else if header.qform_code != 0 {
        from_quaternion(header)?
    } else {
        from_voxel_sizes(header, shape)
    };
    if affine::spans_space(&affine) {
        Ok(affine)
    } else {
        Err(format!(
            "its affine {affine:?} is rank-deficient: its axes do not span space"
        ))
    }
}

/// Says whether a header places its image: not where both codes are 0, nor where voxels of 1 mm begin at the origin, as
/// tools write it that have lost the geometry.
pub(super) fn is_placed(header: &NiftiHeader, affine: &Affine) -> bool {
    let is_unit = |row: usize, column: usize| match row == column {
        true => affine[row][column].abs() == 1.0,
        false => affine[row][column] == 0.0,
    };
    let is_identity = (0..3).all(|row| (0..4).all(|column| is_unit(row, column)));
    (header.sform_code != 0 || header.qform_code != 0) && !is_identity
}

fn from_quaternion(header: &NiftiHeader) -> Result<Affine, String> {
    let [b, c, d] = [header.quatern_b, header.quatern_c, header.quatern_d].map(f64::from);
    let rest = 1.0 - (b * b + c * c + d * d);
    if rest.is_nan() || rest < -ROUNDING {
        return Err(format!(
            "its qform quaternion ({b}, {c}, {d}) is longer than 1"
        ));
    }
    let a = rest.max(0.0).sqrt();
    let mut size = voxel_sizes(header);
    if header.pixdim[0] < 0.0 {
        size[2] = -size[2];
    }
    let origin = [header.quatern_x, header.quatern_y, header.quatern_z].map(f64::from);
    let turned = rotated_axes([a, b, c, d]);
    let columns = [0, 1, 2].map(|axis| turned[axis].map(|value| value * size[axis]));
    Ok(affine::from_columns(columns, origin))
}

/// Gives where a unit quaternion turns the three axes to.
fn rotated_axes([a, b, c, d]: [f64; 4]) -> [[f64; 3]; 3] {
    let [aa, bb, cc, dd] = [a * a, b * b, c * c, d * d];
    [
        [
            aa + bb - cc - dd,
            2.0 * (b * c + a * d),
            2.0 * (b * d - a * c),
        ],
        [
            2.0 * (b * c - a * d),
            aa + cc - bb - dd,
            2.0 * (c * d + a * b),
        ],
        [
            2.0 * (b * d + a * c),
            2.0 * (c * d - a * b),
            aa + dd - bb - cc,
        ],
    ]
}

/// Puts the centre of the image at the origin, x to the left, as nibabel and SPM do where a header says nothing.
fn from_voxel_sizes(header: &NiftiHeader, shape: [usize; 3]) -> Affine {
    let mut size = voxel_sizes(header);
    size[0] = -size[0];
    let mut affine = [[0.0; 4]; 3];
    for axis in 0..3 {
        affine[axis][axis] = size[axis];
        affine[axis][3] = -size[axis] * (shape[axis] as f64 - 1.0) / 2.0;
    }
    affine
}

fn voxel_sizes(header: &NiftiHeader) -> [f64; 3] {
    [1, 2, 3].map(|axis| f64::from(header.pixdim[axis]).abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> NiftiHeader {
        NiftiHeader {
            pixdim: [1.0, 2.0, 3.0, 4.0, 1.0, 1.0, 1.0, 1.0],
            qform_code: 0,
            sform_code: 0,
            ..NiftiHeader::default()
        }
    }

    #[test]
    fn without_forms_the_image_is_centred_and_x_runs_left() {
        let affine = affine_of(&header(), [3, 5, 2]).unwrap();
        assert_eq!(
            affine,
            [
                [-2.0, 0.0, 0.0, 2.0],
                [0.0, 3.0, 0.0, -6.0],
                [0.0, 0.0, 4.0, -2.0]
            ]
        );
    }

    #[test]
    fn negative_qfac_turns_the_third_axis_only() {
        let qform = NiftiHeader {
            qform_code: 1,
            quatern_x: 7.0,
            ..header()
        };
        let upright = affine_of(&qform, [3, 5, 2]).unwrap();
        assert_eq!(
            upright,
            [
                [2.0, 0.0, 0.0, 7.0],
                [0.0, 3.0, 0.0, 0.0],
                [0.0, 0.0, 4.0, 0.0]
            ]
        );
        let mut turned = qform;
        turned.pixdim[0] = -1.0;
        let turned = affine_of(&turned, [3, 5, 2]).unwrap();
        assert_eq!(
            turned,
            [
                [2.0, 0.0, 0.0, 7.0],
                [0.0, 3.0, 0.0, 0.0],
                [0.0, 0.0, -4.0, 0.0]
            ]
        );
        let mut unset = NiftiHeader {
            qform_code: 1,
            quatern_x: 7.0,
            ..header()
        };
        unset.pixdim[0] = 0.0;
        assert_eq!(affine_of(&unset, [3, 5, 2]).unwrap(), upright);
    }

    #[test]
    fn half_turn_about_z_points_left_and_posterior() {
        let qform = NiftiHeader {
            qform_code: 1,
            quatern_d: 1.0,
            ..header()
        };
        let affine = affine_of(&qform, [3, 5, 2]).unwrap();
        assert_eq!(
            [affine[0][0], affine[1][1], affine[2][2]],
            [-2.0, -3.0, 4.0]
        );
    }

    #[test]
    fn sform_wins_over_qform() {
        let both = NiftiHeader {
            qform_code: 1,
            sform_code: 1,
            srow_x: [9.0, 0.0, 0.0, 1.0],
            ..header()
        };
        assert_eq!(
            affine_of(&both, [3, 5, 2]).unwrap()[0],
            [9.0, 0.0, 0.0, 1.0]
        );
    }

    #[test]
    fn flat_affine_and_long_quaternion_are_refused() {
        let flat = NiftiHeader {
            sform_code: 1,
            srow_x: [0.0; 4],
            ..header()
        };
        assert!(
            affine_of(&flat, [3, 5, 2])
                .unwrap_err()
                .contains("rank-deficient")
        );
        let long = NiftiHeader {
            qform_code: 1,
            quatern_b: 1.5,
            ..header()
        };
        assert!(
            affine_of(&long, [3, 5, 2])
                .unwrap_err()
                .contains("longer than 1")
        );
        let mut no_size = header();
        no_size.pixdim[2] = 0.0;
        assert!(affine_of(&no_size, [3, 5, 2]).is_err());
    }
}
