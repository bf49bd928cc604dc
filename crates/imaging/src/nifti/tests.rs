//! Owns the proofs that good NIfTI files are read as nibabel reads them, and that no bad one gets through.

use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::encode::{NiftiVoxels, encode_nifti};
use super::*;
use crate::orientation::Orientation;
use crate::volume::Affine;

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
const LAS: Affine = [
    [-2.0, 0.0, 0.0, 10.0],
    [0.0, 3.0, 0.0, -20.0],
    [0.0, 0.0, 4.0, 5.0],
];
const SHAPE: [usize; 3] = [3, 4, 21];

fn sample() -> Vec<u8> {
    let values: Vec<i16> = (0..SHAPE.iter().product::<usize>() as i16)
        .map(|value| value * 7 - 500)
        .collect();
    encode_nifti(SHAPE, &LAS, &NiftiVoxels::I16(&values))
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read_as(name: &str, bytes: &[u8]) -> Result<Volume, ImageError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    read_nifti(&path)
}

fn read(bytes: &[u8]) -> Result<Volume, ImageError> {
    read_as("image.nii", bytes)
}

/// Reads a sample with some bytes replaced, and gives the one line of the refusal.
fn refusal(changes: &[(usize, &[u8])]) -> String {
    let mut bytes = sample();
    for (offset, change) in changes {
        bytes[*offset..offset + change.len()].copy_from_slice(change);
    }
    let message = read(&bytes).unwrap_err().to_string();
    assert!(
        message.contains("image.nii") && !message.contains('\n'),
        "{message}"
    );
    message
}

#[test]
fn every_voxel_comes_to_its_place() {
    for (name, bytes) in [
        ("image.nii", sample()),
        ("image.nii.gz", packed(&sample())),
        ("packed.nii", packed(&sample())),
    ] {
        let volume = read_as(name, &bytes).unwrap();
        assert_eq!((volume.shape, volume.affine), (SHAPE, LAS));
        for (index, voxel) in volume.voxels.iter().enumerate() {
            let (i, j, k) = (index / 84, index / 21 % 4, index % 21);
            assert_eq!(*voxel, ((i + 3 * j + 12 * k) as i16 * 7 - 500) as f32);
        }
    }
}

#[test]
fn big_endian_reads_the_same() {
    let mut bytes = sample();
    let fields = [
        (0, 4, 1),
        (40, 2, 8),
        (70, 2, 2),
        (76, 4, 8),
        (108, 4, 3),
        (252, 2, 2),
        (280, 4, 12),
        (352, 2, 252),
    ];
    for (offset, size, count) in fields {
        bytes[offset..offset + size * count]
            .chunks_exact_mut(size)
            .for_each(<[u8]>::reverse);
    }
    assert_eq!(read(&bytes).unwrap(), read(&sample()).unwrap());
}

#[test]
fn slope_and_intercept_apply_unless_the_slope_is_none() {
    let scaled = |slope: f32, intercept: f32| {
        let mut bytes = sample();
        bytes[112..116].copy_from_slice(&slope.to_le_bytes());
        bytes[116..120].copy_from_slice(&intercept.to_le_bytes());
        read(&bytes).map(|volume| volume.voxels[0])
    };
    assert_eq!(scaled(0.5, 3.0).unwrap(), -247.0);
    assert_eq!(scaled(0.0, 3.0).unwrap(), -500.0);
    assert_eq!(scaled(f32::NAN, 3.0).unwrap(), -500.0);
    assert!(
        scaled(1.0, f32::NAN)
            .unwrap_err()
            .to_string()
            .contains("intercept")
    );
}

#[test]
fn trailing_dimensions_of_one_are_fine_and_more_are_not() {
    let mut bytes = sample();
    bytes[40] = 5;
    assert_eq!(read(&bytes).unwrap().shape, SHAPE);
    assert!(refusal(&[(40, &[4]), (48, &[2])]).contains("one 3-D image is needed"));
}

#[test]
fn truncation_is_noticed_at_any_length() {
    let whole = sample();
    for length in [0, 1, 100, 347, 348, 351, 352, 400, whole.len() - 1] {
        read(&whole[..length]).unwrap_err();
    }
    let message = read(&whole[..whole.len() - 1]).unwrap_err().to_string();
    assert!(message.contains("truncated"), "{message}");
    let whole = packed(&whole);
    for length in [1, 10, 100, whole.len() - 9, whole.len() - 1] {
        read_as("image.nii.gz", &whole[..length]).unwrap_err();
    }
}

#[test]
fn broken_checksum_of_gzip_is_noticed() {
    let mut bytes = packed(&sample());
    let place = bytes.len() - 6;
    bytes[place] ^= 1;
    let message = read_as("image.nii.gz", &bytes).unwrap_err().to_string();
    assert!(message.contains("damaged"), "{message}");
}

#[test]
fn nan_and_infinity_are_counted_and_the_first_is_named() {
    let mut values = vec![1.0; 3 * 4 * 21];
    values[2 + 3 * (1 + 4 * 18)] = f32::NAN;
    values[1 + 3 * (3 + 4 * 20)] = f32::INFINITY;
    let error = read(&encode_nifti(SHAPE, &LAS, &NiftiVoxels::F32(&values))).unwrap_err();
    assert!(
        matches!(
            error,
            ImageError::NonFinite {
                count: 2,
                first: [2, 1, 18],
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn promises_of_a_header_allocate_nothing() {
    let most = i16::MAX.to_le_bytes();
    assert!(refusal(&[(42, &most), (44, &most), (46, &[1, 0])]).contains("truncated"));
    assert!(refusal(&[(42, &most), (44, &most), (46, &most)]).contains("more than"));
    let mut bytes = sample();
    bytes[42..44].copy_from_slice(&most);
    bytes[44] = 21;
    assert!(
        read_as("image.nii.gz", &packed(&bytes))
            .unwrap_err()
            .to_string()
            .contains("truncated")
    );
}

#[test]
fn what_is_no_image_is_refused_by_name() {
    assert!(refusal(&[(344, b"ni1\0")]).contains(".hdr/.img"));
    assert!(refusal(&[(344, b"abc\0")]).contains("no NIfTI-1 header"));
    assert!(refusal(&[(0, &540_i32.to_le_bytes())]).contains("NIfTI-2"));
    assert!(refusal(&[(70, &128_i16.to_le_bytes())]).contains("colours"));
    assert!(refusal(&[(70, &32_i16.to_le_bytes())]).contains("Complex64"));
    assert!(refusal(&[(70, &77_i16.to_le_bytes())]).contains("77 is unknown"));
    assert!(refusal(&[(42, &(-3_i16).to_le_bytes())]).contains("dimensions"));
    assert!(refusal(&[(42, &[0, 0])]).contains("dimensions"));
    assert!(refusal(&[(108, &f32::NAN.to_le_bytes())]).contains("start at byte"));
    assert!(refusal(&[(280, &[0; 16])]).contains("rank-deficient"));
    let not_packed = read_as("image.nii.gz", &sample()).unwrap_err().to_string();
    assert!(not_packed.contains("not gzip"), "{not_packed}");
    assert!(matches!(
        read_nifti(Path::new("/nowhere.nii")),
        Err(ImageError::Io { .. })
    ));
}

/// Real files with what nibabel found in them.
fn known_files() -> Vec<csv::StringRecord> {
    let Ok(mut manifest) = csv::Reader::from_path(PathBuf::from(SHARED).join("manifest.csv"))
    else {
        std::io::stderr()
            .write_all(b"skipped: this clone has no real images\n")
            .unwrap();
        return Vec::new();
    };
    let records = manifest.records().map(Result::unwrap);
    records
        .filter(|record| {
            record[3].starts_with("NIfTI") && PathBuf::from(SHARED).join(&record[0]).exists()
        })
        .collect()
}

#[test]
fn real_files_read_as_nibabel_reads_them() {
    for record in known_files() {
        let path = PathBuf::from(SHARED).join(&record[0]);
        let single = record[5].split('x').count() == 3 && !record[6].contains("u1'");
        if !record[12].starts_with("yes") || !single || record[11].contains("Pair") {
            let message = read_nifti(&path).expect_err(&record[0]).to_string();
            assert!(!message.contains('\n'), "{message}");
            continue;
        }
        let volume = read_nifti(&path).unwrap();
        assert_eq!(
            volume.shape.map(|size| size.to_string()).join("x"),
            record[5],
            "{}",
            &record[0]
        );
        let mean = volume
            .voxels
            .iter()
            .map(|&voxel| f64::from(voxel))
            .sum::<f64>()
            / volume.voxels.len() as f64;
        let (low, high) = volume.range();
        for (found, column) in [(f64::from(low), 13), (f64::from(high), 14), (mean, 15)] {
            let known: f64 = record[column].parse().unwrap();
            assert!(
                (found - known).abs() <= 1e-5 * known.abs().max(1.0),
                "{}: {found} is not {known}",
                &record[0]
            );
        }
        assert_eq!(
            Orientation::of(&volume.affine).code(),
            record[11][..3],
            "{}",
            &record[0]
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(
        changes in proptest::collection::vec((0_usize..420, any::<u8>()), 0..12),
        length in 0_usize..900,
        pack in any::<bool>(),
    ) {
        let mut bytes = sample();
        for (offset, byte) in changes {
            bytes[offset] = byte;
        }
        bytes.truncate(length.max(300));
        let read = if pack { read_as("image.nii.gz", &packed(&bytes)) } else { read(&bytes) };
        if let Ok(volume) = read {
            prop_assert_eq!(volume.voxels.len(), volume.shape.iter().product::<usize>());
            prop_assert!(volume.voxels.iter().all(|voxel| voxel.is_finite()));
        }
    }

    #[test]
    fn no_damage_to_gzip_makes_the_reader_panic(
        changes in proptest::collection::vec((0_usize..2000, any::<u8>()), 1..6),
    ) {
        let mut bytes = packed(&sample());
        for (offset, byte) in changes {
            let place = offset % bytes.len();
            bytes[place] = byte;
        }
        let _ = read_as("image.nii", &bytes);
    }
}

#[test]
fn zeros_behind_gzip_are_padding_and_members_are_joined() {
    let whole = read(&sample()).unwrap();
    let bytes = sample();
    let padded = [packed(&bytes), vec![0; 300]].concat();
    assert_eq!(read_as("image.nii.gz", &padded).unwrap(), whole);
    let members = [packed(&bytes[..400]), packed(&bytes[400..])].concat();
    assert_eq!(read_as("image.nii.gz", &members).unwrap(), whole);
    let followed = [packed(&bytes), b"rest".to_vec()].concat();
    let message = read_as("image.nii.gz", &followed).unwrap_err().to_string();
    assert!(message.contains("damaged"), "{message}");
}

#[test]
fn what_is_no_nifti_is_named() {
    let twice = packed(&packed(&sample()));
    let mut analyze = sample();
    analyze[344..348].fill(0);
    for (name, bytes, words) in [
        ("image.mha", &b"ObjectType = Image\n"[..], "MetaImage"),
        (
            "image.nii.gz",
            b"version https://git-lfs.github.com/spec/v1\noid",
            "Git LFS pointer",
        ),
        ("image.nii.gz", &twice, "gzip within gzip"),
        ("image.nii.gz", &packed(b"NRRD0004\nencoding"), "NRRD"),
        ("image.nii", &analyze, "Analyze 7.5"),
        ("image.nii", b"", "empty"),
        ("image.nii", &[0; 400], "zeros only"),
        ("image.nii.gz", b"garbage", "not gzip"),
    ] {
        let message = read_as(name, bytes).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_before_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.nii");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let socket = folder.path().join("socket.nii.gz");
    let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for path in [pipe, socket, PathBuf::from("/dev/zero")] {
        let message = crate::read_image(&path).unwrap_err().to_string();
        assert!(message.contains("not a regular file"), "{message}");
    }
}

#[test]
fn an_image_says_whether_its_header_places_it() {
    let placed = |bytes: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.nii");
        std::fs::write(&path, bytes).unwrap();
        NiftiFile::open(&path).unwrap().is_placed()
    };
    assert!(placed(&sample()));
    let mut without = sample();
    without[252..256].fill(0);
    assert!(!placed(&without));
    let identity = [
        [-1.0, 0.0, 0.0, 0.0],
        [0.0, -1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0],
    ];
    assert!(!placed(&encode_nifti(
        [2, 2, 2],
        &identity,
        &NiftiVoxels::U8(&[1; 8])
    )));
}
