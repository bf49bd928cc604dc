//! Owns the proofs about trees of DICOM: which series make a case, what it is called and what is told of the patient.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::dicom::made::Made;
use crate::source::find_cases;

/// One series of so many files that are headers only.
struct Series<'a> {
    folder: &'a str,
    modality: &'a str,
    study: &'a str,
    frame: &'a str,
    corrected: &'a str,
    kind: &'a str,
    files: usize,
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
    let bytes = Made::default()
        .text(0x08, 0x08, series.kind)
        .text(0x08, 0x60, series.modality)
        .text(0x10, 0x10, "SECRET^NAME")
        .text(0x10, 0x40, "F")
        .text(0x10, 0x1010, "048Y")
        .text(0x20, 0x0D, series.study)
        .text(0x20, 0x0E, series.folder)
        .text(0x20, 0x52, series.frame)
        .text(0x28, 0x51, series.corrected)
        .file("1.2.840.10008.1.2.1");
    for index in 0..series.files {
        fs::write(folder.join(format!("{index}.dcm")), &bytes).unwrap();
    }
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
        [&cases[0].pet, &cases[0].ct],
        [PET, CT]
            .map(|series| root.path().join(series.folder))
            .each_ref()
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
    assert_eq!(cases[0].pet, root.path().join("p/s/pet-long"));
    assert_eq!(cases[0].ct, root.path().join("p/s/a-ct"));
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
    let names: Vec<_> = cases
        .iter()
        .map(|case| case.case_id.split_once('-').unwrap().0)
        .collect();
    let name = &blake3::hash(b"1.2.3").to_hex()[..12];
    assert_eq!(names, [name, name]);
    assert_ne!(cases[0].case_id, cases[1].case_id);
    let folders =
        |case: &CaseSource| [&case.pet, &case.ct].map(|path| path.to_string_lossy().ends_with('2'));
    assert!(
        cases
            .iter()
            .all(|case| folders(case)[0] == folders(case)[1])
    );
}

#[test]
fn a_tree_without_a_pair_holds_no_cases() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &PET);
    assert!(matches!(
        find_cases(root.path()),
        Err(DataSetError::Empty { .. })
    ));
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
        pet: study.join("nifti/PET_image.nii.gz"),
        ct: study.join("nifti/CT_image.nii.gz"),
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
        reason.contains("it is a CT, where the PET was to be"),
        "{reason}"
    );
}
