//! Made segmentations: bits and bytes, frames out of order, left out and one upon another.

use super::*;
use crate::dicom::test_files::Made;

const PLAIN: &str = "1.2.840.10008.1.2.1";

/// A segmentation of 3 rows and 5 columns whose frames lie at these heights, one group of pixels a frame.
fn segmentation(kind: &str, bits: u16, heights: &[f64], apart: &str, pixels: &[u8]) -> Made {
    let measures = Made::default()
        .text(0x18, 0x50, "2")
        .text(0x18, 0x88, apart)
        .text(0x28, 0x30, "1.5\\1.25");
    let turned = Made::default().text(0x20, 0x37, "1\\0\\0\\0\\1\\0");
    let shared = Made::default()
        .items(0x20, 0x9116, &[turned])
        .items(0x28, 0x9110, &[measures]);
    let place = |height: &f64| {
        let position = Made::default().text(0x20, 0x32, &format!("-10\\-20\\{height}"));
        Made::default().items(0x20, 0x9113, &[position])
    };
    let places: Vec<Made> = heights.iter().map(place).collect();
    Made::default()
        .text(0x08, 0x60, "SEG")
        .text(0x10, 0x10, "SECRET^NAME")
        .text(0x20, 0x0E, "1.2.3")
        .text(0x28, 0x08, &heights.len().to_string())
        .short(0x28, 0x10, 3)
        .short(0x28, 0x11, 5)
        .short(0x28, 0x100, bits)
        .short(0x28, 0x101, bits)
        .short(0x28, 0x102, bits - 1)
        .short(0x28, 0x103, 0)
        .text(0x62, 0x01, kind)
        .short(0x62, 0x0E, 200)
        .items(0x5200, 0x9229, &[shared])
        .items(0x5200, 0x9230, &places)
        .put(0x7FE0, 0x10, "OB", pixels)
}

fn read(made: Made) -> Result<Volume, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1.dcm");
    std::fs::write(&path, made.file(PLAIN)).unwrap();
    match read_dicom(&path) {
        Ok(found) => {
            assert_eq!(found.content, Content::Mask);
            Ok(found.volume)
        }
        Err(ImageError::Unusable { reason, .. }) => Err(reason),
        Err(error) => panic!("{error:?}"),
    }
}

/// The places, as column, row and layer, that are marked.
fn marked(volume: &Volume) -> Vec<[usize; 3]> {
    let [_, rows, layers] = volume.shape;
    let found = volume.voxels.iter().enumerate();
    found
        .filter(|(_, value)| **value == 1.0)
        .map(|(at, _)| [at / layers / rows, at / layers % rows, at % layers])
        .collect()
}

/// Fifteen bits a frame, the first at the lowest bit, without a gap between frames.
fn packed(bits: &[usize]) -> Vec<u8> {
    let mut bytes = vec![0; 6];
    for bit in bits {
        bytes[bit / 8] |= 1 << (bit % 8);
    }
    bytes
}

#[test]
fn bits_of_all_segments_become_one_mask_and_frames_that_are_missing_are_empty() {
    // Two segments lie in the layer at 16 mm, one in that at 10 mm, none between.
    let bits = packed(&[0, 15 + 7, 30 + 14]);
    let volume = read(segmentation("BINARY", 1, &[16.0, 16.0, 10.0], "2", &bits)).unwrap();
    assert_eq!(volume.shape, [5, 3, 4]);
    assert_eq!(marked(&volume), [[0, 0, 3], [2, 1, 3], [4, 2, 0]]);
    let expected = [
        [-1.25, 0.0, 0.0, 10.0],
        [0.0, -1.5, 0.0, 20.0],
        [0.0, 0.0, 2.0, 10.0],
    ];
    assert_eq!(volume.affine, expected);
}

#[test]
fn shares_of_a_voxel_count_above_one_half_and_labels_whatever_they_are() {
    let pixels: Vec<u8> = (0..16).map(|pixel| [0, 100, 101, 200][pixel % 4]).collect();
    let volume = read(segmentation("FRACTIONAL", 8, &[0.0], "2", &pixels)).unwrap();
    // Of 200 one half is 100, which is not more than what is left.
    assert_eq!(marked(&volume).len(), 7);
    let volume = read(segmentation("LABELMAP", 8, &[0.0], "2", &pixels)).unwrap();
    assert_eq!(marked(&volume).len(), 11);
}

#[test]
fn segmentations_that_make_no_mask_are_refused_with_the_reason() {
    let bits = packed(&[]);
    let cases = [
        (
            segmentation("BINARY", 1, &[0.0; 4], "2", &bits),
            "truncated: 4 frames of 15 bits need 8 bytes",
        ),
        (
            segmentation("BINARY", 1, &[0.0, 2.0, 2.9], "2", &bits),
            "not in layers 2.00 mm apart",
        ),
        (
            segmentation("BINARY", 1, &[0.0, 1e9], "2", &bits),
            "not in layers",
        ),
        (
            segmentation("BINARY", 1, &[0.0, 2.0], "1e-9", &bits),
            "not in layers",
        ),
        (
            segmentation("SECRET NAME", 1, &[0.0], "2", &bits),
            "SegmentationType (0062,0001) is \"SECRETNAME\"",
        ),
    ];
    for (made, words) in cases {
        let reason = read(made).unwrap_err();
        assert!(reason.contains(words), "{reason} does not say {words}");
    }
}
