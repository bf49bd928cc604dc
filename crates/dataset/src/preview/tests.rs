//! The picture's orientation and scale.

use super::*;
use crate::manifest::tests::manifest_of;
use crate::shard::tests::stored;

/// Draws a plane on a canvas of its own size, and gives its reds.
fn small(plane: &[f32], sides: [usize; 2], shades: [f32; 2]) -> Vec<Vec<u8>> {
    let rows = draw(plane, &[], sides, sides, shades).into_iter();
    rows.map(|row| row.into_iter().map(|pixel| pixel[0]).collect())
        .collect()
}

#[test]
fn the_head_is_up_and_the_right_of_the_patient_at_the_left() {
    // (R, S) row-major, both 0..2: the voxel at the patient's right and at the head is the last one.
    let shades = [0.0, 1.0];
    assert_eq!(
        small(&[0.0, 0.0, 0.0, 1.0], [2, 2], shades),
        [[255, 0], [0, 0]]
    );
    // The patient's left foot.
    assert_eq!(
        small(&[1.0, 0.0, 0.0, 0.0], [2, 2], shades),
        [[0, 0], [0, 255]]
    );
}

#[test]
fn pet_is_dark_where_it_is_hot() {
    let drawn = draw(&[0.0, 5.0, 10.0, 40.0], &[], [1, 4], [1, 4], SUV_SHADES);
    assert_eq!(drawn, [[[0; 3]], [[0; 3]], [[128; 3]], [[255; 3]]]);
}

#[test]
fn what_is_labelled_is_red_in_the_projection_and_in_the_slice() {
    let (projected, cut) = masks(&[0, 0, 0, 2, 1, 0], 2, [1, 1]);
    assert_eq!((projected, cut), (vec![true, true], vec![false, true]));
    let drawn = draw(&[0.0, 0.0], &[false, true], [1, 2], [1, 2], [0.0, 1.0]);
    assert_eq!(drawn, [[[153, 0, 0]], [[0, 0, 0]]]);
}

#[test]
fn pet_is_projected_and_ct_is_cut_in_the_middle_of_the_body() {
    let voxels = |values: [f32; 6]| values.map(f16::from_f32).to_vec();
    let slices = Slices {
        pet: voxels([1.0, 0.0, 0.0, 7.0, 3.0, 0.0]),
        ct: voxels([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
    };
    assert_eq!(planes(&slices, 2, [1, 2]), (vec![3.0, 7.0], vec![2.0, 3.0]));
    assert_eq!(planes(&slices, 2, [2, 2]).1, [4.0, 5.0]);
}

#[test]
fn pixels_are_square_in_millimetres() {
    let manifest = manifest_of([160, 10, 192], &[("a", [0, 9])]);
    // 160 voxels of 5 mm by 192 of 4.5 mm.
    assert_eq!(size(&manifest.cases[0], 160, 192, 512.0), [474, 512]);
    let mut damaged = manifest.cases[0].clone();
    damaged.spacing = [f32::MAX, 1.0, 0.0];
    let most = size(&damaged, 160, 192, 512.0);
    assert!(most.iter().all(|&pixels| pixels <= 4096));
}

#[tokio::test]
async fn a_case_becomes_a_png_of_two_images_side_by_side() {
    let data = DataSet::open(&stored(1, 1).await).await.unwrap();
    let png = preview(&data, 0).await.unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(png))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    // 5 voxels of 5 mm by 7 of 3 mm, 512 pixels high.
    assert_eq!((info.width, info.height), (2 * 610 + 8, 512));
    assert_eq!(pixels[3 * 610..][..3], [128; 3]);
    assert!(preview(&data, 1).await.is_err());
}
