//! Made files: what real ones here do not hold, such as several frames in one file, odd bits and names of patients.

use super::*;
use crate::dicom::test_files::Made;

const PLAIN: &str = "1.2.840.10008.1.2.1";

/// A CT of 2 rows and 3 columns, of which the groups with the highest numbers are still to come.
fn ct(bits: u16) -> Made {
    Made::default()
        .text(0x08, 0x60, "CT")
        .text(0x10, 0x10, "SECRET^NAME")
        .text(0x10, 0x20, "SECRET-ID")
        .text(0x20, 0x0E, "1.2.3")
        .short(0x28, 0x10, 2)
        .short(0x28, 0x11, 3)
        .short(0x28, 0x100, 16)
        .short(0x28, 0x101, bits)
        .short(0x28, 0x102, bits - 1)
        .short(0x28, 0x103, 1)
}

fn words(values: &[i16]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// One slice of a CT.
fn slice(bits: u16, pixels: &[i16]) -> Made {
    ct(bits)
        .text(0x18, 0x50, "2.5")
        .text(0x20, 0x32, "0\\0\\10")
        .text(0x20, 0x37, "1\\0\\0\\0\\1\\0")
        .text(0x28, 0x30, "1.5\\1.25")
        .text(0x28, 0x1052, "-10")
        .text(0x28, 0x1053, "2")
        .put(0x7FE0, 0x10, "OW", &words(pixels))
}

fn saved(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1.dcm");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn bits_beyond_the_stored_ones_are_left_out_and_signs_are_spread() {
    // Of 12 bits, the highest is the sign; the four above it hold something else.
    let (_folder, path) = saved(&slice(12, &[1, -1, 0x0800, 0x17FF, 0x7000, -2]).file(PLAIN));
    let image = read_dicom(&path).unwrap();
    assert_eq!(image.content, Content::Ct);
    assert_eq!(image.volume.shape, [3, 2, 1]);
    let along_columns = [-8.0, 4084.0, -12.0, -10.0, -4106.0, -14.0];
    assert_eq!(image.volume.voxels, along_columns);
    assert_eq!(image.volume.spacing(), [1.25, 1.5, 2.5]);
}

#[test]
fn one_file_of_many_frames_is_read_from_its_functional_groups() {
    let measures = Made::default()
        .text(0x18, 0x50, "2.5")
        .text(0x28, 0x30, "1.5\\1.25");
    let turned = Made::default().text(0x20, 0x37, "1\\0\\0\\0\\1\\0");
    let scaled = Made::default()
        .text(0x28, 0x1052, "0")
        .text(0x28, 0x1053, "1");
    let shared = Made::default()
        .items(0x20, 0x9116, &[turned])
        .items(0x28, 0x9110, &[measures])
        .items(0x28, 0x9145, &[scaled]);
    let place = |z: &str| {
        let position = Made::default().text(0x20, 0x32, &format!("0\\0\\{z}"));
        Made::default().items(0x20, 0x9113, &[position])
    };
    let many = |frames: &str, places: &[Made]| {
        let pixels: Vec<i16> = (0..12).collect();
        let bytes = ct(16)
            .text(0x28, 0x08, frames)
            .items(0x5200, 0x9229, std::slice::from_ref(&shared))
            .items(0x5200, 0x9230, places)
            .put(0x7FE0, 0x10, "OW", &words(&pixels))
            .file(PLAIN);
        saved(&bytes)
    };
    let (_folder, path) = many("2", &[place("4"), place("0")]);
    let volume = read_dicom(&path).unwrap().volume;
    assert_eq!(
        (volume.shape, volume.spacing()),
        ([3, 2, 2], [1.25, 1.5, 4.0])
    );
    assert_eq!(
        volume.voxels,
        [6.0, 0.0, 9.0, 3.0, 7.0, 1.0, 10.0, 4.0, 8.0, 2.0, 11.0, 5.0]
    );
    let (_folder, path) = many("3", &[place("4"), place("0")]);
    assert!(refusal(&path).contains("3 frames and functional groups of 2"));
    let (_folder, path) = many("2", &[]);
    assert!(refusal(&path).contains("no functional groups"));
    let (_folder, path) = many("3", &[place("4"), place("0"), place("8")]);
    assert!(refusal(&path).starts_with("truncated: 3 frames of 2 x 3 need 36 bytes"));
}

#[test]
fn a_deflated_file_is_inflated() {
    use std::io::Write;
    let plain = slice(16, &[1; 6]).0;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&plain).unwrap();
    let packed = Made(encoder.finish().unwrap()).file("1.2.840.10008.1.2.1.99");
    let (_folder, path) = saved(&packed);
    assert_eq!(read_dicom(&path).unwrap().volume.voxels, [-8.0; 6]);
}

#[test]
fn refusals_never_tell_who_the_patient_is() {
    let whole = slice(16, &[0; 6]).file(PLAIN);
    let without = |tag: &[u8]| {
        let at = whole
            .windows(tag.len())
            .position(|four| four == tag)
            .unwrap();
        let mut bytes = whole.clone();
        bytes[at + 2] = 0xFF;
        bytes
    };
    let cases = [
        (
            without(b"\x28\0\x30\0"),
            "it has no PixelSpacing (0028,0030)",
        ),
        (
            without(b"\x20\0\x37\0"),
            "it has no ImageOrientationPatient",
        ),
        (without(b"\x28\0\x53\x10"), "it has no RescaleSlope"),
        (without(b"\x28\0\x10\0"), "no Rows"),
        (
            slice(16, &[0; 5]).file(PLAIN),
            "truncated: 1 frames of 2 x 3 need 12 bytes",
        ),
        (
            slice(16, &[0; 6]).file("1.2.840.10008.1.2.4.100"),
            "transfer syntax 1.2.840.10008.1.2.4.100 is not supported",
        ),
        (
            slice(16, &[0; 6]).file("1.2.840.10008.1.2.5"),
            "no compressed pixels",
        ),
        (
            slice(17, &[0; 6]).file(PLAIN),
            "pixels of 16 bits, 17 of them",
        ),
        (
            whole[..whole.len() - 4].to_vec(),
            "truncated: element (7FE0,0010)",
        ),
        (whole[..135].to_vec(), "no transfer syntax"),
    ];
    for (bytes, words) in cases {
        let (_folder, path) = saved(&bytes);
        let reason = refusal(&path);
        assert!(reason.contains(words), "{reason} does not say {words}");
        assert!(!reason.contains("SECRET"), "{reason}");
    }
}

#[test]
fn a_small_file_that_promises_a_large_image_is_not_believed() {
    let huge = ct(16).0;
    let at = huge
        .windows(4)
        .position(|four| four == b"\x28\0\x10\0")
        .unwrap();
    let mut bytes = Made(huge).file("1.2.840.10008.1.2.4.90");
    let at = at + bytes.len() - ct(16).0.len();
    bytes[at + 8..at + 10].copy_from_slice(&60_000_u16.to_le_bytes());
    bytes[at + 18..at + 20].copy_from_slice(&60_000_u16.to_le_bytes());
    let (_folder, path) = saved(&bytes);
    assert!(refusal(&path).contains("60000 x 60000"));
}

#[test]
fn a_folder_without_dicom_says_so_and_other_files_are_passed_over() {
    let (folder, _) = saved(&slice(16, &[0; 6]).file(PLAIN));
    std::fs::write(folder.path().join("notes.txt"), b"not an image").unwrap();
    std::fs::write(folder.path().join("DICOMDIR"), Made::default().file(PLAIN)).unwrap();
    assert!(read_dicom(folder.path()).is_ok());
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(refusal(empty.path()), "it holds no DICOM files");
    let absent = read_dicom(&empty.path().join("absent")).unwrap_err();
    assert!(matches!(absent, ImageError::Io { .. }), "{absent:?}");
}
