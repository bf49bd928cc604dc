//! Damaged and hostile bytes: real files changed at random are read or refused, and nothing else happens.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

/// Where bytes are changed and to what, and after how many the file is cut.
type Damage = (Vec<(usize, u8)>, usize);

fn damage(longest: usize) -> impl Strategy<Value = Damage> {
    let change = (0..longest, any::<u8>());
    (
        prop::collection::vec(change, 1..8),
        longest / 2..2 * longest,
    )
}

fn damaged(whole: &[u8], (changes, cut): &Damage) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for (at, value) in changes {
        bytes[at % whole.len()] = *value;
    }
    bytes.truncate(*cut);
    bytes
}

/// Runs `read` on so many damaged copies of a real file.
fn survive(name: &str, copies: u32, read: impl Fn(Vec<u8>)) {
    let Some(path) = shared(name) else { return };
    let whole = std::fs::read(path).unwrap();
    let config = Config {
        cases: copies,
        failure_persistence: None,
        ..Config::default()
    };
    let run = |found: Damage| {
        read(damaged(&whole, &found));
        Ok(())
    };
    TestRunner::new(config)
        .run(&damage(whole.len()), run)
        .unwrap();
}

#[test]
fn a_damaged_series_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1.dcm");
    survive("petct/STS_019/dicom/PET/000001.dcm", 1500, |bytes| {
        std::fs::write(&path, bytes).unwrap();
        if let Ok(image) = read_dicom(&path) {
            assert!(image.volume.voxels.iter().all(|voxel| voxel.is_finite()));
        }
    });
}

#[test]
fn damaged_pixels_of_every_codec_are_read_or_refused() {
    let names = [
        "dicom_edge/pydicom/MR_small_expb.dcm",
        "dicom_edge/pydicom/MR_small_RLE.dcm",
        "dicom_edge/pydicom/MR_small_jpeg_ls_lossless.dcm",
        "dicom_edge/pydicom/JPEGLSNearLossless_16.dcm",
        "dicom_edge/pydicom/MR_small_jp2klossless.dcm",
        "pet_single/GE_BQML_jpegll.dcm",
    ];
    for name in names {
        survive(name, 300, |bytes| {
            pixels(bytes).ok();
        });
    }
}
