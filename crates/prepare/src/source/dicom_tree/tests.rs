//! Owns the proofs about trees of DICOM: which series make a case, what it is called and what is told of the patient.

mod leftovers;

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::source::find_cases;
use crate::test_files::Made;

/// One series of so many files that are headers only.
struct Series<'a> {
    folder: &'a str,
    modality: &'a str,
    study: &'a str,
    frame: &'a str,
    corrected: &'a str,
    kind: &'a str,
    files: usize,
    /// The series a segmentation was drawn on.
    refers_to: &'a str,
    /// Where the lowest slice lies; the others follow 3 mm apart.
    lowest: Option<f64>,
}

/// A corrected PET, and a CT with the same study and frame of reference.
const PET: Series<'_> = Series {
    folder: "p/s/pet",
    modality: "PT",
    study: "1.2.3",
    frame: "1.2.9",
    corrected: "DECY\\ATTN",
    kind: "ORIGINAL\\PRIMARY",
    files: 2,
    refers_to: "",
    lowest: None,
};
const CT: Series<'_> = Series {
    folder: "p/s/ct",
    modality: "CT",
    corrected: "",
    ..PET
};

fn write(root: &Path, series: &Series<'_>) {
    let folder = root.join(series.folder);
    fs::create_dir_all(&folder).unwrap();
    for index in 0..series.files {
        let name = folder.join(format!("{index}.dcm"));
        fs::write(name, bytes(series, index).file("1.2.840.10008.1.2.1")).unwrap();
    }
}

fn bytes(series: &Series<'_>, index: usize) -> Made {
    let mut made = Made::default()
        .text(0x08, 0x08, series.kind)
        .text(0x08, 0x18, &format!("{}/{index}", series.folder))
        .text(0x08, 0x60, series.modality);
    if !series.refers_to.is_empty() {
        let drawn_on = Made::default().text(0x20, 0x0E, series.refers_to);
        made = made.items(0x08, 0x1115, &[drawn_on]);
    }
    made = made
        .text(0x10, 0x10, "SECRET^NAME")
        .text(0x10, 0x40, "F")
        .text(0x10, 0x1010, "048Y")
        .text(0x20, 0x0D, series.study)
        .text(0x20, 0x0E, series.folder);
    if let Some(lowest) = series.lowest {
        let height = lowest + 3.0 * index as f64;
        made =
            made.text(0x20, 0x32, &format!("0\\0\\{height}"))
                .text(0x20, 0x37, "1\\0\\0\\0\\1\\0");
    }
    made.text(0x20, 0x52, series.frame)
        .short(0x28, 0x10, 64)
        .short(0x28, 0x11, 64)
        .text(0x28, 0x30, "4\\4")
        .text(0x28, 0x51, series.corrected)
}

fn cases(all: &[Series<'_>]) -> (tempfile::TempDir, Vec<CaseSource>) {
    let root = tempfile::tempdir().unwrap();
    all.iter().for_each(|series| write(root.path(), series));
    let cases = find_cases(root.path()).unwrap();
    (root, cases)
}

#[test]
fn a_case_is_named_by_a_digest_and_tells_age_and_sex_only() {
    let (root, cases) = cases(&[PET, CT]);
    assert_eq!(cases.len(), 1);
    assert_eq!(cases[0].case_id, blake3::hash(b"1.2.3").to_hex()[..12]);
    assert_eq!(
        [cases[0].pet.path(), cases[0].ct.path()],
        [PET, CT].map(|series| root.path().join(series.folder))
    );
    let sentence = "A whole-body PET scan of a 48-year-old female patient.";
    assert_eq!(cases[0].metadata.sentence(true), sentence);
    assert!(!format!("{:?}", cases[0].metadata).contains("SECRET"));
}

#[test]
fn of_several_series_the_corrected_and_the_longest_are_taken() {
    let (root, cases) = cases(&[
        PET,
        Series {
            folder: "p/s/pet-nac",
            corrected: "DECY",
            files: 9,
            ..PET
        },
        Series {
            folder: "p/s/pet-long",
            files: 5,
            ..PET
        },
        CT,
        Series {
            folder: "p/s/a-ct",
            files: 3,
            ..CT
        },
        Series {
            folder: "p/s/scout",
            kind: "ORIGINAL\\PRIMARY\\LOCALIZER",
            files: 7,
            ..CT
        },
    ]);
    assert_eq!(cases.len(), 1);
    assert_eq!(cases[0].pet.path(), root.path().join("p/s/pet-long"));
    assert_eq!(cases[0].ct.path(), root.path().join("p/s/a-ct"));
}

#[test]
fn frames_of_reference_and_studies_are_never_mixed() {
    let (_root, cases) = cases(&[
        PET,
        CT,
        Series {
            folder: "p/s/pet-2",
            frame: "1.2.10",
            ..PET
        },
        Series {
            folder: "p/s/ct-2",
            frame: "1.2.10",
            ..CT
        },
        Series {
            folder: "q/s/pet",
            study: "1.2.4",
            ..PET
        },
    ]);
    let name = &blake3::hash(b"1.2.3").to_hex()[..12];
    let (mut cases, other): (Vec<_>, Vec<_>) = cases
        .into_iter()
        .partition(|case| case.case_id.starts_with(name));
    assert_eq!(
        other[0].fault.as_deref(),
        Some("it has no CT series other than localizers")
    );
    cases.retain(|case| case.case_id.contains('-'));
    assert_eq!(cases.len(), 2);
    assert_ne!(cases[0].case_id, cases[1].case_id);
    let folders = |case: &CaseSource| {
        [&case.pet, &case.ct].map(|image| image.path().to_string_lossy().ends_with('2'))
    };
    assert!(
        cases
            .iter()
            .all(|case| folders(case)[0] == folders(case)[1])
    );
}

#[test]
fn a_study_without_a_pair_is_a_case_that_says_what_it_lacks() {
    let apart = Series {
        frame: "1.2.10",
        ..CT
    };
    for (all, fault) in [
        (&[PET][..], "it has no CT series other than localizers"),
        (&[CT], "it has no PET series"),
        (
            &[PET, apart],
            "its PET and its CT have different frames of reference",
        ),
    ] {
        let (_root, cases) = cases(all);
        assert_eq!(cases[0].fault.as_deref(), Some(fault));
        let error = crate::prepare_case(&cases[0], [4, 4, 4]).unwrap_err();
        assert_eq!(error.told_without_paths(), fault);
    }
}

#[test]
fn of_two_series_that_fit_equally_well_none_is_taken() {
    let other = Series {
        folder: "p/s/ct-lung",
        ..CT
    };
    let (_root, cases) = cases(&[PET, CT, other]);
    let fault = cases[0].fault.clone().unwrap();
    assert!(
        fault.starts_with("2 CT series of 2 slices fit equally well"),
        "{fault}"
    );
}

#[test]
fn the_ct_that_covers_most_of_the_pet_goes_before_a_longer_one() {
    let (root, cases) = cases(&[
        Series {
            lowest: Some(0.0),
            files: 10,
            ..PET
        },
        Series {
            lowest: Some(-20.0),
            files: 30,
            ..CT
        },
        Series {
            folder: "p/s/ct-legs",
            lowest: Some(-900.0),
            files: 90,
            ..CT
        },
    ]);
    assert_eq!(cases[0].ct.path(), root.path().join(CT.folder));
}

#[test]
fn series_may_lie_mixed_in_one_folder_among_other_files() {
    let root = tempfile::tempdir().unwrap();
    let flat = |name: &'static str| Series {
        folder: name,
        ..PET
    };
    for series in [
        PET,
        CT,
        Series {
            corrected: "DECY",
            ..flat("p/s/nac")
        },
    ] {
        write(root.path(), &series);
    }
    let mixed = root.path().join("mixed/deep/er");
    fs::create_dir_all(&mixed).unwrap();
    for (number, series) in ["pet", "ct", "nac"].into_iter().enumerate() {
        let folder = root.path().join("p/s").join(series);
        for (index, file) in fs::read_dir(folder).unwrap().enumerate() {
            // Without an extension, as scanners export them.
            let name = format!("IM{:04}", index * 3 + number);
            fs::rename(file.unwrap().path(), mixed.join(name)).unwrap();
        }
    }
    for (name, bytes) in [
        ("DICOMDIR", &[0; 200][..]),
        ("report.pdf", b"%PDF-1.4"),
        ("empty", b""),
    ] {
        fs::write(mixed.join(name), bytes).unwrap();
    }
    let cases = find_cases(root.path()).unwrap();
    assert_eq!(cases.len(), 1);
    let (ImageSource::Series { files: pet, .. }, ImageSource::Series { files: ct, .. }) =
        (&cases[0].pet, &cases[0].ct)
    else {
        panic!("{:?}", cases[0]);
    };
    assert_eq!((pet.len(), ct.len()), (PET.files, CT.files));
    assert!(pet.iter().chain(ct).all(|file| file.starts_with(&mixed)));
}

#[test]
fn the_segmentation_that_was_drawn_on_the_pet_is_the_label() {
    const SEG: Series<'_> = Series {
        folder: "p/s/seg",
        modality: "SEG",
        corrected: "",
        files: 1,
        ..PET
    };
    let on = |folder: &'static str, refers_to: &'static str| Series {
        folder,
        refers_to,
        ..SEG
    };
    let on_pet = on("p/s/on-pet", PET.folder);
    let (root, found) = cases(&[PET, CT, on("p/s/on-ct", CT.folder), on_pet, SEG]);
    let label = found[0].label.as_ref().unwrap();
    assert_eq!(label.path(), root.path().join("p/s/on-pet"));
    let (_root, found) = cases(&[PET, CT, on("a", PET.folder), on("b", PET.folder)]);
    let fault = found[0].fault.clone().unwrap();
    assert!(
        fault.starts_with("2 DICOM segmentations fit equally well"),
        "{fault}"
    );
    let elsewhere = Series {
        frame: "1.2.77",
        ..SEG
    };
    assert_eq!(cases(&[PET, CT, elsewhere]).1[0].label, None);
}

#[test]
fn a_real_study_prepares_to_the_same_case_as_its_nifti() {
    let study = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/petct/STS_019"
    ));
    if !study.exists() {
        let line = b"skipped: this clone has no real images\n";
        std::io::Write::write_all(&mut std::io::stderr(), line).unwrap();
        return;
    }
    let cases = find_cases(&study.join("dicom")).unwrap();
    assert_eq!(cases.len(), 1);
    let sentence = "A whole-body 18F-FDG PET scan of a 48-year-old female patient.";
    assert_eq!(cases[0].metadata.sentence(true), sentence);
    let nifti = CaseSource {
        pet: study.join("nifti/PET_image.nii.gz").into(),
        ct: study.join("nifti/CT_image.nii.gz").into(),
        ..cases[0].clone()
    };
    let [found, due] =
        [&cases[0], &nifti].map(|case| crate::prepare_case(case, [20, 20, 40]).unwrap());
    assert_eq!(
        (found.body, &found.source_axes),
        (due.body, &due.source_axes)
    );
    let close = |a: &[half::f16], b: &[half::f16], most: f32| {
        a.iter()
            .zip(b)
            .all(|(a, b)| (a.to_f32() - b.to_f32()).abs() <= most)
    };
    assert!(close(&found.pet, &due.pet, 0.01) && close(&found.ct, &due.ct, 1.0));
    let swapped = CaseSource {
        pet: cases[0].ct.clone(),
        ct: cases[0].pet.clone(),
        ..cases[0].clone()
    };
    let error = crate::prepare_case(&swapped, [4, 4, 4]).unwrap_err();
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        reason.contains("it is a CT, and the PET was expected"),
        "{reason}"
    );
}
