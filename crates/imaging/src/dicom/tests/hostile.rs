//! Damaged and hostile bytes: real files changed at random are read or refused, and nothing else happens.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::dicom::test_files::Made;

const PLAIN: &str = "1.2.840.10008.1.2.1";
const IMPLICIT: &str = "1.2.840.10008.1.2";
const RUN_LENGTHS: &str = "1.2.840.10008.1.2.5";

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

/// The files that decision 0004 is about, as it describes them; each fells the `dicom` crates.
#[test]
fn what_fells_other_readers_is_refused() {
    let ct = || Made::default().text(0x08, 0x60, "CT");
    let mut beyond = ct();
    // A value of 4 GiB, of which two bytes are there.
    beyond
        .0
        .extend(b"\xe0\x7f\x10\0OW\0\0\xf0\xff\xff\xff\x01\x02");
    let mut nested = Made::default();
    for _ in 0..8000 {
        nested
            .0
            .extend(b"\x54\0\x16\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff");
    }
    for (made, syntax, words) in [
        (&beyond, PLAIN, "promises 4294967280 bytes, 2 are left"),
        (&nested, IMPLICIT, "deeper than 16"),
    ] {
        let reason = pixels(made.clone().file(syntax)).unwrap_err();
        assert!(reason.contains(words), "{reason}");
    }
    let table = |numbers: &[u32]| -> Vec<u8> {
        let mut numbers = numbers.to_vec();
        numbers.resize(16, 0);
        numbers.into_iter().flat_map(u32::to_le_bytes).collect()
    };
    let short = [table(&[2, 64, 66]), vec![0, 7, 0, 8]].concat();
    for (fragment, words) in [
        (table(&[0xFFFF_FFFA]), "4294967290 run-length segments"),
        (table(&[17]), "17 run-length segments"),
        (short, "ends before its pixels"),
        (Vec::new(), "table is cut short"),
    ] {
        let reason = pixels(run_lengths(&fragment).file(RUN_LENGTHS)).unwrap_err();
        assert!(reason.contains(words), "{reason}");
    }
}

/// Two rows of three pixels of 16 bits in one fragment of run lengths.
fn run_lengths(fragment: &[u8]) -> Made {
    let mut made = Made::default()
        .text(0x08, 0x60, "CT")
        .short(0x28, 0x02, 1)
        .short(0x28, 0x10, 2)
        .short(0x28, 0x11, 3)
        .short(0x28, 0x100, 16)
        .short(0x28, 0x101, 16)
        .short(0x28, 0x102, 15);
    made.0.extend(b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff");
    for item in [&[][..], fragment] {
        made.0.extend(b"\xfe\xff\0\xe0");
        made.0.extend((item.len() as u32).to_le_bytes());
        made.0.extend(item);
    }
    made.0.extend(b"\xfe\xff\xdd\xe0\0\0\0\0");
    made
}
