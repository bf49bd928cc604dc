//! What lies in a tree beside its cases: links, pipes, copies, localizers and images of no use are counted, and change
//! no case.

use std::os::unix::fs::symlink;

use super::*;
use crate::source::{Layout, survey};

/// What was passed over in a tree, as text.
fn passed_over(root: &Path) -> Vec<String> {
    let remarks = survey(root, Layout::Dicom).unwrap().remarks;
    remarks.into_iter().map(|remark| remark.text).collect()
}

#[test]
fn links_and_pipes_make_no_case_twice_and_end_the_walk() {
    let (root, plain) = cases(&[PET, CT]);
    let root = root.path();
    symlink(root, root.join("p/s/up")).unwrap();
    symlink("../..", root.join("p/s/a-link")).unwrap();
    symlink(root.join("p/s/pet"), root.join("0")).unwrap();
    symlink("nowhere", root.join("p/broken")).unwrap();
    nix::unistd::mkfifo(
        &root.join("p/s/pet/pipe.dcm"),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .unwrap();
    assert_eq!(find_cases(root).unwrap(), plain);
    assert_eq!(passed_over(root), ["pipes, devices and broken links: 2"]);
}

#[test]
fn all_that_is_no_case_is_counted_by_its_kind() {
    let (root, _) = cases(&[
        PET,
        CT,
        Series {
            folder: "p/s/nac",
            corrected: "DECY",
            ..PET
        },
        Series {
            folder: "p/s/mr",
            modality: "MR",
            files: 3,
            ..CT
        },
        Series {
            folder: "q/mr",
            modality: "MR\u{1b}[31m",
            study: "1.2.4",
            ..CT
        },
        Series {
            folder: "r/seg",
            modality: "SEG",
            study: "1.2.5",
            ..CT
        },
    ]);
    let file = |name: &str, bytes: &[u8]| fs::write(root.path().join(name), bytes).unwrap();
    file("report.pdf", b"%PDF-1.4");
    file("p/a.nii.gz", b"");
    file("p/._a.dcm", b"\0\x05\x16\x07");
    file("DICOMDIR", b"");
    file("p/cut.dcm", &[&[0; 128][..], b"DICM"].concat());
    assert_eq!(
        passed_over(root.path()),
        [
            "DICOM files whose header cannot be used: 1",
            "files of modality MR: 3",
            "files of modality MR31: 2",
            "files that are not DICOM: 2",
            "series that were not chosen: 1",
            "studies without PET and CT: 1",
        ]
    );
}

#[test]
fn a_localizer_in_a_series_changes_neither_its_case_nor_its_rank() {
    let scout = |folder: &'static str| Series {
        folder,
        kind: "ORIGINAL\\PRIMARY\\LOCALIZER",
        files: 1,
        ..CT
    };
    for name in ["000.dcm", "zzz.dcm"] {
        let (root, _) = cases(&[
            PET,
            CT,
            Series {
                folder: "p/s/ct-2",
                files: 1,
                ..CT
            },
        ]);
        let bytes = bytes(&scout(CT.folder), 7).file("1.2.840.10008.1.2.1");
        fs::write(root.path().join(CT.folder).join(name), bytes).unwrap();
        let found = find_cases(root.path()).unwrap();
        assert_eq!(found[0].fault, None);
        let ImageSource::Series { files, .. } = &found[0].ct else {
            panic!("{found:?}");
        };
        assert_eq!(files.len(), CT.files);
        assert_eq!(
            passed_over(root.path()),
            ["localizers: 1", "series that were not chosen: 1"]
        );
    }
}

#[test]
fn a_copied_image_makes_no_series_longer() {
    let (root, _) = cases(&[
        PET,
        CT,
        Series {
            folder: "p/s/pet-3",
            files: 3,
            ..PET
        },
    ]);
    let folder = root.path().join(PET.folder);
    for (index, name) in ["0 (1).dcm", "1 (1).dcm"].into_iter().enumerate() {
        fs::copy(folder.join(format!("{index}.dcm")), folder.join(name)).unwrap();
    }
    let found = find_cases(root.path()).unwrap();
    assert_eq!(found[0].pet.path(), root.path().join("p/s/pet-3"));
    assert!(passed_over(root.path()).contains(&"copies of images: 2".to_owned()));
}

#[test]
fn a_series_without_a_place_is_taken_only_where_there_is_no_other() {
    let placed = Series {
        lowest: Some(0.0),
        ..PET
    };
    let picture = Series {
        folder: "p/s/a-picture",
        files: 9,
        ..PET
    };
    let (root, found) = cases(&[placed, picture, CT]);
    assert_eq!(found[0].pet.path(), root.path().join(PET.folder));
}

#[test]
fn a_case_that_cannot_be_used_is_named_by_the_folder_of_its_study() {
    let (root, found) = cases(&[PET]);
    assert!(found[0].fault.is_some());
    assert_eq!(found[0].pet.path(), root.path().join(PET.folder));
}
