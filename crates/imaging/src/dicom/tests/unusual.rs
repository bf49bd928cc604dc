//! Series that are sound though unusual: copies, localizers, padding, an Enhanced PET; and what only looks like them.

use super::*;
use crate::dicom::test_files::Made;

const PLAIN: &str = "1.2.840.10008.1.2.1";
/// How an axial slice and a frontal localizer lie.
const AXIAL: &str = "1\\0\\0\\0\\1\\0";
const FRONTAL: &str = "1\\0\\0\\0\\0\\-1";

/// One image of 2 x 2 pixels of a CT.
#[derive(Clone)]
struct CtImage {
    name: String,
    kind: &'static str,
    number: u32,
    in_acquisition: Option<u32>,
    height: f64,
    orientation: &'static str,
    columns: u16,
    signed: u16,
    padding: Vec<i32>,
    pixels: [i32; 4],
}

impl CtImage {
    fn at(number: u32) -> Self {
        Self {
            name: format!("1.2.9.{number}"),
            kind: "ORIGINAL\\PRIMARY\\AXIAL",
            number,
            in_acquisition: None,
            height: 3.0 * f64::from(number),
            orientation: AXIAL,
            columns: 2,
            signed: 1,
            padding: vec![],
            pixels: [0, 10, 20, 30],
        }
    }

    fn localizer(number: u32) -> Self {
        Self {
            kind: "ORIGINAL\\PRIMARY\\LOCALIZER",
            ..Self::across(number)
        }
    }

    /// A localizer that does not say that it is one.
    fn across(number: u32) -> Self {
        Self {
            orientation: FRONTAL,
            columns: 4,
            ..Self::at(number)
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut made = Made::default()
            .text(0x08, 0x08, self.kind)
            .text(0x08, 0x18, &self.name)
            .text(0x08, 0x60, "CT")
            .text(0x18, 0x50, "3")
            .text(0x20, 0x0E, "1.2.3")
            .text(0x20, 0x13, &self.number.to_string())
            .text(0x20, 0x32, &format!("0\\0\\{}", self.height))
            .text(0x20, 0x37, self.orientation);
        if let Some(count) = self.in_acquisition {
            made = made.text(0x20, 0x1002, &count.to_string());
        }
        made = made
            .short(0x28, 0x10, 2)
            .short(0x28, 0x11, self.columns)
            .text(0x28, 0x30, "1\\1")
            .short(0x28, 0x100, 16)
            .short(0x28, 0x101, 16)
            .short(0x28, 0x102, 15)
            .short(0x28, 0x103, self.signed);
        for (&value, element) in self.padding.iter().zip(0x120..) {
            made = made.short(0x28, element, value as u16);
        }
        let pixels = self.pixels.iter().cycle();
        let pixels = pixels.take(2 * usize::from(self.columns));
        let bytes: Vec<u8> = pixels
            .flat_map(|&pixel| (pixel as u16).to_le_bytes())
            .collect();
        made.text(0x28, 0x1052, "-1000")
            .text(0x28, 0x1053, "1")
            .put(0x7FE0, 0x10, "OW", &bytes)
            .file(PLAIN)
    }
}

/// A folder with these images, which are named by their place in the list.
fn folder(images: &[CtImage]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (place, image) in images.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{place:03}")), image.bytes()).unwrap();
    }
    folder
}

fn slices(count: u32) -> Vec<CtImage> {
    (0..count).map(CtImage::at).collect()
}

#[test]
fn localizers_are_no_slices_wherever_they_come() {
    let plain = read_dicom(folder(&slices(6)).path()).unwrap();
    for strays in [
        vec![CtImage::localizer(90)],
        vec![CtImage::localizer(90), CtImage::localizer(91)],
        vec![CtImage::across(90)],
        vec![CtImage::across(90), CtImage::localizer(91)],
    ] {
        for place in [0, 3, 6] {
            let mut images = slices(6);
            images.splice(place..place, strays.clone());
            let found = read_dicom(folder(&images).path()).unwrap();
            assert!(found.volume == plain.volume, "{place}");
        }
    }
    let only = [CtImage::localizer(1), CtImage::localizer(2)];
    let reason = refusal(folder(&only).path());
    assert!(
        reason.starts_with("all its 2 images are localizers"),
        "{reason}"
    );
    let mut half = slices(4);
    half.extend((4..8).map(|number| CtImage {
        columns: 2,
        ..CtImage::across(number)
    }));
    assert!(refusal(folder(&half).path()).contains("different orientations"));
}

#[test]
fn a_copy_counts_once_and_another_image_of_the_same_name_is_refused() {
    let mut images = slices(4);
    let plain = read_dicom(folder(&images).path()).unwrap();
    images.insert(1, images[2].clone());
    images.push(images[0].clone());
    let found = folder(&images);
    assert!(read_dicom(found.path()).unwrap() == plain);
    // Written by another program: other bytes before the image, the same image.
    let bytes = images[0].bytes();
    let other = [&bytes[..132], b"\x02\0\x13\0SH\x02\0AB", &bytes[132..]].concat();
    std::fs::write(found.path().join("zzz"), &other).unwrap();
    assert!(read_dicom(found.path()).unwrap() == plain);
    for change in [
        (|image| image.pixels[3] += 1) as fn(&mut CtImage),
        |image| image.height += 30.0,
    ] {
        let mut images = slices(4);
        let mut other = images[1].clone();
        change(&mut other);
        images.push(other);
        let found = folder(&images);
        let error = read_dicom(found.path()).unwrap_err();
        let [first, second] = ["001", "004"].map(|name| found.path().join(name));
        let text = error.to_string();
        assert!(
            text.contains(&first.display().to_string())
                && text.contains(&second.display().to_string())
                && text.contains("SOPInstanceUID (0008,0018)"),
            "{text}"
        );
        assert!(!error.without_paths().contains("004"));
    }
}

#[test]
fn padding_is_air_slice_by_slice_and_in_its_own_sign() {
    let [a, b, c, d] = [2000, 1000, -2000, 950];
    let padded = |signed: u16, padding: &[i32], pixels: [i32; 4]| CtImage {
        signed,
        padding: padding.to_vec(),
        pixels,
        ..CtImage::at(0)
    };
    let cases = [
        // Without padding all values are measured.
        (padded(1, &[], [a, b, c, d]), [1000.0, 0.0, -3000.0, -50.0]),
        (
            padded(1, &[-2000], [a, b, c, d]),
            [1000.0, 0.0, -1024.0, -50.0],
        ),
        // As some programs write it: the same bits.
        (
            padded(1, &[63_536], [a, b, c, d]),
            [1000.0, 0.0, -1024.0, -50.0],
        ),
        (
            padded(1, &[-2000, -1900], [-1950, -2001, c, d]),
            [-1024.0, -3001.0, -1024.0, -50.0],
        ),
        (
            padded(1, &[-1900, -2000], [-1950, -1899, c, d]),
            [-1024.0, -2899.0, -1024.0, -50.0],
        ),
        // Of unsigned pixels the highest values are padding.
        (
            padded(0, &[63_536], [a, b, 63_536, d]),
            [1000.0, 0.0, -1024.0, -50.0],
        ),
        (
            padded(0, &[65_535, 65_000], [65_535, b, 65_001, 64_999]),
            [-1024.0, 0.0, -1024.0, 63_999.0],
        ),
    ];
    for (image, due) in cases {
        let found = read_dicom(folder(&[image]).path()).unwrap();
        // Axis 0 runs along a row; the file has row after row.
        let [first, second, third, fourth] = due;
        assert_eq!(found.volume.voxels, [first, third, second, fourth]);
    }
    // Each slice has its own.
    let mut images = slices(2);
    images[0].padding = vec![10];
    images[0].pixels = [10, 11, 12, 13];
    images[1].padding = vec![11];
    images[1].pixels = [10, 11, 12, 13];
    let found = read_dicom(folder(&images).path()).unwrap();
    assert_eq!(
        found.volume.voxels,
        [
            -1024.0, -990.0, -988.0, -988.0, -989.0, -1024.0, -987.0, -987.0
        ]
    );
}

#[test]
fn a_series_says_how_many_slices_it_had() {
    let counts = |images: &[CtImage]| {
        let found = read_dicom(folder(images).path()).unwrap().slices.unwrap();
        [found.found, found.promised]
    };
    assert_eq!(counts(&slices(12)), [12, 12]);
    // Every second one is gone, or all but the first few.
    let second: Vec<CtImage> = slices(12).into_iter().step_by(2).collect();
    assert_eq!(counts(&second), [6, 11]);
    let mut first = slices(4);
    first
        .iter_mut()
        .for_each(|image| image.in_acquisition = Some(12));
    assert_eq!(counts(&first), [4, 12]);
    // An acquisition of two reconstructions, and numbers that count something else.
    first
        .iter_mut()
        .for_each(|image| image.in_acquisition = Some(8));
    assert_eq!(counts(&first), [4, 4]);
    first[3].number = 90_210;
    first
        .iter_mut()
        .for_each(|image| image.in_acquisition = None);
    assert_eq!(read_dicom(folder(&first).path()).unwrap().slices, None);
}

#[test]
fn a_folder_without_files_names_those_below_it() {
    let above = tempfile::tempdir().unwrap();
    let below = |name: &str| {
        let path = above.path().join(name);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("1"), CtImage::at(0).bytes()).unwrap();
    };
    below("PET");
    let reason = refusal(above.path());
    assert!(reason.contains("a folder below it does"), "{reason}");
    below("CT");
    let reason = refusal(above.path());
    assert!(reason.contains("2 folders below it do"), "{reason}");
    assert!(!reason.contains("PET"), "{reason}");
}

#[test]
fn what_lies_beside_files_is_no_slice_and_a_pipe_is_never_opened() {
    let found = folder(&slices(3));
    let plain = read_dicom(found.path()).unwrap();
    std::fs::write(found.path().join("._000.dcm"), b"\0\x05\x16\x07").unwrap();
    let pipe = found.path().join("pipe.dcm");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(read_dicom(found.path()).unwrap() == plain);
    let error = crate::read_image(&pipe).unwrap_err().to_string();
    assert!(error.contains("pipe"), "{error}");
}

/// A unit of real world values, and their slope and intercept.
type Unit<'a> = (&'a str, [f64; 2]);

/// An Enhanced PET of two frames, 70 kg and 370 MBq of 18F an hour before; `change` has its last word.
fn enhanced_pet(kind: &str, units: &[Unit<'_>], change: impl Fn(Made) -> Made) -> Vec<u8> {
    let drug = Made::default()
        .text(0x18, 0x1074, "370000000")
        .text(0x18, 0x1075, "6586.2")
        .text(0x18, 0x1078, "20200301090000");
    let frame = |height: f64| {
        let value = |(unit, [slope, intercept]): &Unit<'_>| {
            let code = Made::default().text(0x08, 0x100, unit);
            Made::default()
                .items(0x40, 0x08EA, &[code])
                .put(0x40, 0x9224, "FD", &intercept.to_le_bytes())
                .put(0x40, 0x9225, "FD", &slope.to_le_bytes())
        };
        let values: Vec<Made> = units.iter().map(value).collect();
        let item = |made: Made| [made];
        let place = Made::default().text(0x20, 0x32, &format!("0\\0\\{height}"));
        let turned = Made::default().text(0x20, 0x37, AXIAL);
        let measures = Made::default()
            .text(0x18, 0x50, "4")
            .text(0x28, 0x30, "4\\4");
        let scale = Made::default()
            .text(0x28, 0x1052, "0")
            .text(0x28, 0x1053, "7");
        Made::default()
            .items(0x20, 0x9113, &item(place))
            .items(0x20, 0x9116, &item(turned))
            .items(0x28, 0x9110, &item(measures))
            .items(0x28, 0x9145, &item(scale))
            .items(0x40, 0x9096, &values)
    };
    let made = Made::default()
        .text(0x08, 0x16, kind)
        .text(0x08, 0x60, "PT")
        .text(0x10, 0x1030, "70");
    change(made)
        .text(0x18, 0x9758, "YES")
        .text(0x18, 0x9759, "YES")
        .text(0x20, 0x0E, "1.2.3")
        .text(0x28, 0x08, "2")
        .short(0x28, 0x10, 1)
        .short(0x28, 0x11, 2)
        .short(0x28, 0x100, 16)
        .short(0x28, 0x101, 16)
        .short(0x28, 0x102, 15)
        .short(0x28, 0x103, 0)
        .items(0x54, 0x16, &[drug])
        .items(0x5200, 0x9230, &[frame(4.0), frame(0.0)])
        .put(0x7FE0, 0x10, "OW", &[3, 0, 4, 0, 1, 0, 2, 0])
        .file(PLAIN)
}

#[test]
fn an_enhanced_pet_is_read_in_the_unit_of_its_real_world_values() {
    const ENHANCED: &str = "1.2.840.10008.5.1.4.1.1.130";
    const FACTOR: f64 = 2.763_366_817_176_432_4e-4;
    let corrected = |made: Made| made.text(0x18, 0x9701, "20200301100000");
    let read = |units: &[Unit<'_>]| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1");
        std::fs::write(&path, enhanced_pet(ENHANCED, units, corrected)).unwrap();
        read_dicom(&path)
    };
    let scales: [(&[Unit<'_>], f64); 4] = [
        (&[("Bq/ml", [2000.0, 0.0])], 2000.0 * FACTOR),
        (&[("Bq/mL", [2000.0, 0.0])], 2000.0 * FACTOR),
        (
            &[("{SUVbw}g/ml", [0.5, 0.0]), ("Bq/ml", [2000.0, 0.0])],
            2000.0 * FACTOR,
        ),
        (
            &[("{counts}", [1.0, 0.0]), ("{SUVbw}g/ml", [0.5, 0.0])],
            0.5,
        ),
    ];
    for (units, scale) in scales {
        let found = read(units).unwrap();
        // Axis 0 runs along a row, axis 2 from slice to slice.
        let due = [1.0, 3.0, 2.0, 4.0].map(|stored| (stored * scale) as f32);
        assert_eq!(found.volume.voxels, due);
    }
    let other = read(&[("kBq/ml", [2.0, 0.0])]).unwrap_err().to_string();
    assert!(
        other.contains("MeasurementUnitsCodeSequence (0040,08EA)"),
        "{other}"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1");
    for (kind, words) in [
        (ENHANCED, "DecayCorrectionDateTime (0018,9701) is missing"),
        (
            "1.2.840.10008.5.1.4.1.1.128.1",
            "Legacy Converted Enhanced PET, which is not read",
        ),
    ] {
        let bytes = enhanced_pet(kind, &[("Bq/ml", [1.0, 0.0])], |made| made);
        std::fs::write(&path, bytes).unwrap();
        let reason = refusal(&path);
        assert!(reason.contains(words), "{reason}");
    }
}
