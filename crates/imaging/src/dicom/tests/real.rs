//! Real series against what other programs make of them (pydicom 3.0.2, and the NIfTI images of the same studies).

use super::*;
use crate::nifti::read_nifti;

#[test]
fn a_study_is_the_same_in_dicom_and_in_nifti() {
    let Some(study) = shared("petct/STS_019") else {
        return;
    };
    for (name, tolerance) in [("CT", 0.0), ("PET", 1e-4)] {
        let found = read_dicom(&study.join("dicom").join(name)).unwrap();
        let due = read_nifti(&study.join(format!("nifti/{name}_image.nii.gz"))).unwrap();
        assert_eq!(found.volume.shape, due.shape, "{name}");
        let affines = found
            .volume
            .affine
            .iter()
            .flatten()
            .zip(due.affine.iter().flatten());
        affines.for_each(|(a, b)| assert!((a - b).abs() < 1e-3, "{name}: {a} {b}"));
        for (found, due) in found.volume.voxels.iter().zip(&due.voxels) {
            let off = (found - due).abs();
            assert!(
                off <= tolerance * due.abs().max(0.01),
                "{name}: {found} {due}"
            );
        }
        assert_eq!(
            suv_of(found.content).map(|suv| suv.factor),
            (name == "PET").then_some(1.0)
        );
    }
}

/// The reference is `(stored * slope + intercept) * factor` in double precision, with the factor of `suv/tests.rs`.
#[test]
fn an_unmodified_pet_comes_out_in_the_reference_suv() {
    let Some(series) = shared("pet_raw_bqml/STS_001") else {
        return;
    };
    let found = read_dicom(&series).unwrap();
    let suv = suv_of(found.content).unwrap();
    assert!((suv.factor / 0.000_242_902_976_614_845_5 - 1.0).abs() < 1e-12);
    let volume = found.volume;
    assert_eq!(volume.shape, [128, 128, 48]);
    let at = |row: usize, column: usize, slice: usize| {
        f64::from(volume.voxels[(column * 128 + row) * 48 + slice])
    };
    let close = |found: f64, due: f64| assert!((found / due - 1.0).abs() < 1e-6, "{found} {due}");
    close(at(70, 69, 3), 66.521_496_686_396_97);
    close(at(60, 70, 20), 0.610_604_734_428_967_7);
    close(at(80, 64, 10), 0.675_379_015_364_811_7);
    close(f64::from(volume.range().1), 66.521_496_686_396_97);
    let mean = volume
        .voxels
        .iter()
        .map(|&voxel| f64::from(voxel))
        .sum::<f64>()
        / volume.voxels.len() as f64;
    close(mean, 0.150_726_929_732_263_84);
    // One step of 3.29 mm among those of 3.27 mm is spread over all.
    let [x, y, z] = crate::volume::affine::column(&volume.affine, 3);
    assert_eq!([x, y, z], [297.65625, 297.65625, -688.35004]);
    assert!((volume.affine[2][2] - 153.71004 / 47.0).abs() < 1e-9);
}

#[test]
fn single_slices_are_read_with_the_reference_factors() {
    let references = [
        (
            "pet_single/ACRIN_FLT_BQML_1.dcm",
            0.000_594_248_530_800_625_2,
            7.194_332_727_459_783,
            5.0,
        ),
        (
            "pet_single/GE_BQML_jpegll.dcm",
            0.000_331_763_707_421_602_47,
            2.549_682_956_412_961,
            3.27,
        ),
    ];
    for (name, factor, highest, thickness) in references {
        let Some(path) = shared(name) else { return };
        let found = read_dicom(&path).unwrap();
        let suv = suv_of(found.content).unwrap();
        assert!(
            (suv.factor / factor - 1.0).abs() < 1e-9,
            "{name}: {}",
            suv.factor
        );
        let (_, found_highest) = found.volume.range();
        assert!(
            (f64::from(found_highest) / highest - 1.0).abs() < 1e-6,
            "{name}: {found_highest}"
        );
        assert!((found.volume.spacing()[2] - thickness).abs() < 1e-3);
    }
}

/// Lowest, highest and sum of stored pixels.
fn figures(pixels: &[i32]) -> [i64; 3] {
    let of = |value: Option<&i32>| i64::from(*value.unwrap());
    let sum = pixels.iter().map(|&pixel| i64::from(pixel)).sum();
    [of(pixels.iter().min()), of(pixels.iter().max()), sum]
}

#[test]
fn every_transfer_syntax_gives_the_same_pixels() {
    let Some(folder) = shared("dicom_edge") else {
        return;
    };
    let read = |name: &str| pixels(std::fs::read(folder.join(name)).unwrap()).unwrap();
    let families: [(&[&str], [i64; 3]); 3] = [
        (
            &[
                "CTImage_implicitLE.dcm",
                "CTImage_rle.dcm",
                "CTImage_jpegls.dcm",
                "CTImage_j2k_lossless.dcm",
            ],
            [-2000, 2402, 19_640_763],
        ),
        (
            &[
                "pydicom/MR_small.dcm",
                "pydicom/MR_small_implicit.dcm",
                "pydicom/MR_small_expb.dcm",
                "pydicom/MR_small_RLE.dcm",
                "pydicom/MR_small_jpeg_ls_lossless.dcm",
                "pydicom/MR_small_jp2klossless.dcm",
            ],
            [127, 2145, 2_125_338],
        ),
        (
            &["pydicom/JPEGLSNearLossless_16.dcm"],
            [0, 65_535, 6_007_250],
        ),
    ];
    for (names, due) in families {
        let first = read(names[0]);
        assert_eq!(figures(&first), due, "{}", names[0]);
        for name in names {
            assert!(read(name) == first, "{name}");
        }
    }
}

#[test]
fn real_files_that_are_no_usable_series_say_why() {
    let cases = [
        (
            "dicom_edge/ct_gantry_tilt",
            "gantry was tilted: each slice is shifted sideways, by 14.0 degrees",
        ),
        (
            "dicom_edge/no_pixel_spacing.dcm",
            "Modality (0008,0060) is US",
        ),
        (
            "dicom_edge/pydicom/MR_small.dcm",
            "Modality (0008,0060) is MR",
        ),
        (
            "dicom_edge/pydicom/JPEGLSNearLossless_16.dcm",
            "Modality (0008,0060) is missing",
        ),
        (
            "dicom_edge/pydicom/no_meta.dcm",
            "no DICOM file: the mark DICM is not at byte 128",
        ),
        (
            "dicom_edge/pydicom/MR_truncated.dcm",
            "Modality (0008,0060) is MR",
        ),
    ];
    for (name, words) in cases {
        let Some(path) = shared(name) else { return };
        let reason = refusal(&path);
        assert!(reason.contains(words), "{name}: {reason}");
    }
    let Some(path) = shared("dicom_edge/pydicom/MR_truncated.dcm") else {
        return;
    };
    let reason = pixels(std::fs::read(path).unwrap()).unwrap_err();
    assert!(
        reason.starts_with("truncated: element (7FE0,0010) promises 8192 bytes"),
        "{reason}"
    );
}

/// The mean is that of the pixels that pydicom unpacks.
#[test]
fn a_real_segmentation_is_a_mask() {
    let Some(path) = shared("dicom_edge/pydicom/liver_1frame.dcm") else {
        return;
    };
    let found = read_dicom(&path).unwrap();
    assert_eq!(found.content, Content::Mask);
    let volume = found.volume;
    assert_eq!((volume.shape, volume.range()), ([512, 512, 1], (0.0, 1.0)));
    let sum: f32 = volume.voxels.iter().sum();
    assert!((f64::from(sum) / 262_144.0 - 0.138_217_93).abs() < 1e-8);
}

#[test]
fn a_missing_or_repeated_slice_is_named() {
    let Some(series) = shared("petct/STS_019/dicom/PET") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for file in dicom_files(&series).unwrap() {
        std::fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    let inner = folder.path().join("000020.dcm");
    let kept = std::fs::read(&inner).unwrap();
    std::fs::remove_file(&inner).unwrap();
    let reason = refusal(folder.path());
    assert!(
        reason.starts_with("1 of its slices are missing after"),
        "{reason}"
    );
    std::fs::write(&inner, &kept).unwrap();
    std::fs::write(folder.path().join("again.dcm"), &kept).unwrap();
    let whole = read_dicom(&series).unwrap();
    assert!(
        read_dicom(folder.path()).unwrap() == whole,
        "a copy counts once"
    );
    let mut moved = kept.clone();
    // Another name of the same length for the image, so that it is a second one at the same place.
    let name = b"\x08\0\x18\0";
    let at = moved.windows(4).position(|four| four == name).unwrap();
    let last = at + 8 + usize::from(moved[at + 4]) - 2;
    moved[last] = if moved[last] == b'1' { b'2' } else { b'1' };
    std::fs::write(folder.path().join("again.dcm"), &moved).unwrap();
    let reason = refusal(folder.path());
    assert!(
        reason.contains("two of its slices lie at one place"),
        "{reason}"
    );
    std::fs::remove_file(folder.path().join("again.dcm")).unwrap();
    let Some(ct) = shared("dicom_edge/pydicom/CT_small.dcm") else {
        return;
    };
    std::fs::copy(ct, folder.path().join("other.dcm")).unwrap();
    assert!(refusal(folder.path()).contains("2 DICOM series"));
}
