//! Every real file beside the project is taken with the values that other readers found, or refused with its reason.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fratmae_tests::{fratmae, lacks_files, scratch};
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");

/// Folders whose files are one series.
const SERIES: [&str; 4] = [
    "petct/STS_019/dicom/CT",
    "petct/STS_019/dicom/PET",
    "pet_raw_bqml/STS_001",
    "dicom_edge/ct_gantry_tilt",
];

/// Factors to SUV by pydicom's numbers, worked out in `dataset/src/dicom/suv/tests.rs`.
const FACTORS: [(&str, f64); 4] = [
    ("petct/STS_019/dicom/PET", 1.0),
    ("pet_raw_bqml/STS_001", 0.000_242_902_976_614_845_5),
    (
        "pet_single/ACRIN_FLT_BQML_1.dcm",
        0.000_594_248_530_800_625_2,
    ),
    (
        "pet_single/GE_BQML_jpegll.dcm",
        0.000_331_763_707_421_602_47,
    ),
];

/// What is no CT, PET, mask or 3-D image of numbers, by the start of its path, and a word of the reason.
const REFUSED: [(&str, &str); 18] = [
    (
        "dicom_edge/ct_gantry_tilt",
        "tilted: each slice is shifted sideways, by 14.0 degrees",
    ),
    ("dicom_edge/no_pixel_spacing.dcm", "is US"),
    ("dicom_edge/pydicom/MR_", "is MR"),
    ("dicom_edge/pydicom/JPEGLSNearLossless_16.dcm", "is missing"),
    ("dicom_edge/pydicom/no_meta.dcm", "no DICOM file"),
    ("nifti_edge/crash-1.nii", "0 bytes long, not 348"),
    ("nifti_edge/functional.nii", "one 3-D image is needed"),
    ("nifti_edge/pet001_4d", "one 3-D image is needed"),
    ("nifti_edge/pet003_gz_name_but_html", "a web page"),
    ("nifti_edge/pet004_one_byte", "not gzip"),
    ("nifti_edge/rgb", "colours"),
    ("nifti_edge/minimal.hdr", ".hdr/.img pair"),
    ("nifti_edge/minimal.img", "no NIfTI-1 header"),
    ("other_formats/", "no NIfTI-1 header"),
    ("metadata/bids_pet001_pet", "a text file"),
    ("metadata/", "header"),
    ("clip/", "a text file"),
    ("suv_headers/", "header"),
];

/// One line of the list: a file, or all files of a series together.
#[derive(Debug, Clone, Default)]
struct Listed {
    format: String,
    dims: String,
    is_readable: bool,
    /// Smallest, largest and mean value; the mean is that of as many means as there are files.
    figures: Option<[f64; 3]>,
    files: f64,
}

fn listed() -> Result<BTreeMap<String, Listed>, String> {
    let path = Path::new(FOLDER).join("manifest.csv");
    let absent = |_| format!("there is no {}", path.display());
    let mut reader = csv::Reader::from_path(&path).map_err(absent)?;
    let mut all: BTreeMap<String, Listed> = BTreeMap::new();
    for row in reader.records() {
        let row = row.map_err(|error| error.to_string())?;
        let series = SERIES.iter().find(|series| row[0].starts_with(**series));
        let name = series.map_or(&row[0], |series| *series).to_owned();
        let numbers: Option<Vec<f64>> = (13..16).map(|at| row[at].parse().ok()).collect();
        let entry = all.entry(name).or_default();
        entry.format = row[3].to_owned();
        entry.dims = row[5].to_owned();
        entry.is_readable = row[12].starts_with("yes");
        entry.files += 1.0;
        if let Some([low, high, mean]) = numbers.as_deref().and_then(<[f64]>::first_chunk) {
            let [a, b, c] = entry.figures.unwrap_or([f64::MAX, f64::MIN, 0.0]);
            entry.figures = Some([a.min(*low), b.max(*high), c + mean]);
        }
    }
    Ok(all)
}

fn convert(name: &str, out: &Path) -> Result<Value, String> {
    let call = fratmae(["convert", "--json", "--quiet"]);
    let done = call.and(Path::new(FOLDER).join(name)).and("--out").and(out);
    let done = done.run();
    done.no_panic();
    match done.code {
        Some(0) => Ok(done.json()),
        _ => Err(done.only_line()),
    }
}

/// Compares with the list, to what 32-bit floats hold, times the factor where there is one.
fn compare(name: &str, found: &Value, listed: &Listed) {
    let factor = found["suv"]["factor"].as_f64();
    let due = FACTORS.iter().find(|(file, _)| *file == name);
    assert_eq!(factor.is_some(), due.is_some(), "{name}: a factor");
    if let (Some(factor), Some((_, due))) = (factor, due) {
        assert!(
            (factor / due - 1.0).abs() < 1e-4,
            "{name}: factor {factor}, not {due}"
        );
        assert!(
            !found["suv"]["tags"].as_array().unwrap().is_empty(),
            "{name}"
        );
    }
    let Some([low, high, mean]) = listed.figures else {
        return;
    };
    let factor = factor.unwrap_or(1.0);
    let due = [
        ("lowest", low),
        ("highest", high),
        ("mean", mean / listed.files),
    ];
    for (key, due) in due {
        let (found, due) = (found[key].as_f64().unwrap(), due * factor);
        let most = 1e-5 * due.abs().max(high.abs() * factor * 1e-2);
        assert!(
            (found - due).abs() <= most,
            "{name}: {key} {found}, not {due}"
        );
    }
    let mut shape: Vec<u64> = found["shape"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_u64)
        .collect();
    // The list leaves out the third side of a slice, and has rows before columns.
    if listed.format == "DICOM" {
        assert_eq!(shape.pop().unwrap() as f64, listed.files, "{name}: slices");
        shape.reverse();
    }
    let dims: Vec<String> = shape.iter().map(ToString::to_string).collect();
    assert_eq!(dims.join("x"), listed.dims, "{name}");
}

#[test]
fn every_real_file_is_taken_or_refused_with_its_reason() {
    let listed = match listed() {
        Ok(listed) => listed,
        Err(reason) => return lacks_files("every real file", &reason),
    };
    let folder = scratch();
    let out = folder.path().join("out.nii");
    let mut table = String::new();
    for (name, listed) in &listed {
        let refusal = REFUSED.iter().find(|(start, _)| name.starts_with(start));
        match (convert(name, &out), refusal) {
            (Ok(found), None) => {
                compare(name, &found, listed);
                assert!(listed.is_readable, "{name} was taken, though it is damaged");
                let (units, shape) = (&found["units"], &found["shape"]);
                writeln!(table, "{name}\ttaken\t{units} {shape}").unwrap();
            }
            (Err(line), Some((_, words))) => {
                assert!(line.contains(words), "{name}: {line} does not say {words}");
                let reason = line
                    .rsplit_once("image: ")
                    .map_or(&*line, |(_, reason)| reason);
                writeln!(table, "{name}\trefused\t{reason}").unwrap();
            }
            (found, _) => writeln!(table, "{name}\tUNEXPECTED\t{found:?}").unwrap(),
        }
    }
    std::fs::write(folder.path().join("table.tsv"), &table).unwrap();
    assert!(!table.contains("UNEXPECTED"), "{table}");
    show(&table);
}

/// Prints the table also where the test runner captures output.
fn show(table: &str) {
    let text = format!("every real file:\n{table}");
    std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).unwrap();
}

#[test]
fn a_series_of_dicom_and_its_nifti_convert_to_the_same_volume() {
    let folder = scratch();
    for (series, image) in [("CT", "CT_image"), ("PET", "PET_image")] {
        let [one, other] = ["dicom.nii", "nifti.nii"].map(|name| folder.path().join(name));
        let study = "petct/STS_019";
        let nifti = format!("{study}/nifti/{image}.nii.gz");
        if !Path::new(FOLDER).join(&nifti).exists() {
            return lacks_files("a series in both formats", "there are no real files");
        }
        let found = convert(&format!("{study}/dicom/{series}"), &one).unwrap();
        let due = convert(&nifti, &other).unwrap();
        assert_eq!(found["shape"], due["shape"]);
        // Only the voxels, behind header and gap.
        let voxels = |path: &PathBuf| {
            let bytes = std::fs::read(path).unwrap();
            let (words, _) = bytes[352..].as_chunks();
            words
                .iter()
                .copied()
                .map(f32::from_le_bytes)
                .collect::<Vec<f32>>()
        };
        for (found, due) in voxels(&one).into_iter().zip(voxels(&other)) {
            let most = if series == "CT" {
                0.0
            } else {
                1e-4 * due.abs().max(0.01)
            };
            assert!((found - due).abs() <= most, "{series}: {found}, not {due}");
        }
    }
}
