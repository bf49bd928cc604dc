//! The picture's orientation, slice and scale.

use super::*;
use crate::manifest::tests::manifest_of;
use crate::shard::tests::stored;

/// A frame as large as a plane, so that a pixel is a voxel.
fn small(plane: &[f32], sides: [usize; 2]) -> Vec<Vec<f32>> {
    let frame = Frame {
        left: 0,
        top: 0,
        width: sides[0],
        height: sides[1],
    };
    let value = |r: usize, s: usize| plane[r * sides[1] + s];
    let row = |y: usize| {
        (0..sides[0])
            .map(|x| between_voxels([x, y], frame, sides, value))
            .collect()
    };
    (0..sides[1]).map(row).collect()
}

#[test]
fn the_head_is_up_and_the_right_of_the_patient_at_the_left() {
    // (R, S) row-major, both 0..2: the voxel at the patient's right and at the head is the last one.
    assert_eq!(
        small(&[0.0, 0.0, 0.0, 1.0], [2, 2]),
        [[1.0, 0.0], [0.0, 0.0]]
    );
    // The patient's left foot.
    assert_eq!(
        small(&[1.0, 0.0, 0.0, 0.0], [2, 2]),
        [[0.0, 0.0], [0.0, 1.0]]
    );
}

#[test]
fn larger_pictures_are_smooth_between_the_centres_of_voxels() {
    let frame = Frame {
        left: 0,
        top: 0,
        width: 1,
        height: 8,
    };
    let value = |_: usize, s: usize| s as f32;
    let column: Vec<f32> = (0..8)
        .map(|y| between_voxels([0, y], frame, [1, 2], value))
        .collect();
    assert_eq!(column, [1.0, 1.0, 0.875, 0.625, 0.375, 0.125, 0.0, 0.0]);
}

fn voxels(values: &[f32]) -> Vec<f16> {
    values.iter().copied().map(f16::from_f32).collect()
}

#[test]
fn the_slice_goes_through_the_largest_lesion_else_through_the_highest_suv() {
    // Four slices of 2 x 3; the hottest voxel is in the first.
    let mut pet = vec![0.0; 24];
    pet[1] = 9.0;
    pet[7] = 4.0;
    let mut label = vec![0; 24];
    label[13] = 1;
    for voxel in [18, 19, 20] {
        label[voxel] = 1;
    }
    assert_eq!(telling_slice(&voxels(&pet), Some(&label), [2, 3]), 3);
    assert_eq!(telling_slice(&voxels(&pet), Some(&[0; 24]), [2, 3]), 0);
    assert_eq!(telling_slice(&voxels(&pet), None, [2, 3]), 0);
    // Outside of the body it does not count.
    let mut slices = Slices {
        pet: voxels(&pet),
        ct: voxels(&[1.0; 24]),
        label: None,
    };
    let case = &manifest_of([2, 4, 3], &[("a", [1, 3])]).cases[0];
    let planes = Planes::of(case, [2, 4, 3], &slices);
    assert_eq!((planes.slice, planes.why), (1, "highest SUV"));
    assert_eq!(planes.projection, [0.0, 9.0, 0.0, 0.0, 0.0, 0.0]);
    slices.label = Some(label);
    let planes = Planes::of(case, [2, 4, 3], &slices);
    assert_eq!((planes.slice, planes.why), (3, "largest lesion"));
    assert_eq!(
        planes.labelled_projection,
        [true, true, true, false, false, false]
    );
}

#[test]
fn pixels_are_square_in_millimetres() {
    let manifest = manifest_of([160, 10, 192], &[("a", [0, 9])]);
    // 160 voxels of 5 mm by 192 of 4.5 mm.
    assert_eq!(size(&manifest.cases[0], [160, 10, 192], 512.0), [474, 512]);
    let mut damaged = manifest.cases[0].clone();
    damaged.spacing = [f32::MAX, 1.0, 0.0];
    let most = size(&damaged, [160, 10, 192], 512.0);
    assert!(most.iter().all(|&pixels| pixels <= 4096));
}

#[tokio::test]
async fn a_case_becomes_a_png_of_three_images_with_captions() {
    let data = DataSet::open(&stored(1, 1).await).await.unwrap();
    let (entry, slices) = read(&data, 0).await.unwrap();
    let grid = data.manifest.grid;
    let canvas = with_captions(&entry, grid, &Planes::of(&entry, grid, &slices));
    let png = preview(&data, 0).await.unwrap();
    let reader = png::Decoder::new(std::io::Cursor::new(png))
        .read_info()
        .unwrap();
    let [width, height] = canvas.size();
    assert_eq!(
        (reader.info().width as usize, reader.info().height as usize),
        (width, height)
    );
    // 5 voxels of 5 mm by 7 of 3 mm, 640 pixels high, and room for text around.
    assert!(width > 3 * 762 && height > 640);
    assert!(preview(&data, 1).await.is_err());
}
