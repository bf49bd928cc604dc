//! The proofs about what a case is refused for and what is noted, by figures alone.

use super::*;

const NIFTI: Provenance = Provenance {
    has_units: false,
    is_placed: true,
    slices: None,
};
const DICOM: Provenance = Provenance {
    has_units: true,
    ..NIFTI
};

/// An image of which a part each has one value.
fn image(parts: &[(usize, f32)]) -> Spread {
    let voxels: Vec<f32> = parts
        .iter()
        .flat_map(|&(count, value)| vec![value; count])
        .collect();
    Spread::of(&voxels)
}

fn kinds(notes: &[Note]) -> Vec<NoteKind> {
    notes.iter().map(|note| note.kind).collect()
}

fn pet(parts: &[(usize, f32)]) -> Result<Vec<NoteKind>, String> {
    judge_pet(NIFTI, &image(parts)).map(|notes| kinds(&notes))
}

fn ct(of: Provenance, parts: &[(usize, f32)]) -> Result<Vec<NoteKind>, String> {
    judge_ct(of, &image(parts)).map(|notes| kinds(&notes))
}

#[test]
fn a_usual_pet_and_a_usual_ct_have_no_notes() {
    assert_eq!(
        pet(&[(800, 0.0), (5, -0.3), (190, 1.2), (5, 45.0)]),
        Ok(vec![])
    );
    // SUV of a bladder.
    assert_eq!(pet(&[(900, 0.0), (99, 0.8), (1, 250.0)]), Ok(vec![]));
    let usual = [
        (500, -1000.0),
        (100, -3024.0),
        (100, -100.0),
        (250, 40.0),
        (50, 900.0),
    ];
    assert_eq!(ct(NIFTI, &usual), Ok(vec![]));
}

#[test]
fn a_pet_that_is_not_in_suv_is_refused_with_what_it_seems_to_be() {
    let refused = [
        (vec![(900, 0.0), (99, 6200.0), (1, 42_600.0)], "Bq/ml"),
        (vec![(900, 0.0), (99, 300.0), (1, 1000.5)], "Bq/ml"),
        (vec![(600, -1000.0), (400, 40.0)], "is it the CT?"),
        (vec![(1000, 0.0)], "all but zero: 0 of 1000"),
        (vec![(9999, 0.0), (1, 7.0)], "all but zero: 1 of 10000"),
        (vec![(900, 0.0), (100, 0.004)], "the highest is 0.004"),
    ];
    for (parts, words) in refused {
        let reason = pet(&parts).unwrap_err();
        assert!(reason.contains(words), "{reason}");
    }
}

#[test]
fn a_doubtful_pet_is_noted() {
    assert_eq!(
        pet(&[(500, -0.4), (500, 1.8)]),
        Ok(vec![NoteKind::PetNegative])
    );
    assert_eq!(
        pet(&[(1, -20.0), (998, 0.0), (500, 2.0)]),
        Ok(vec![NoteKind::PetNegative])
    );
    let scaled = [(900, 0.0), (99, 0.1), (1, 1.0)];
    assert_eq!(pet(&scaled), Ok(vec![NoteKind::PetScaled]));
    assert_eq!(
        judge_pet(DICOM, &image(&scaled)),
        Ok(vec![]),
        "DICOM tells its unit"
    );
    let note = judge_body(6.2).unwrap();
    assert_eq!(note.kind, NoteKind::PetTooHigh);
    assert!(
        note.text.contains("6.2") && note.text.contains("kBq/ml"),
        "{}",
        note.text
    );
    assert_eq!(judge_body(1.2), None);
}

#[test]
fn a_ct_that_is_not_in_hounsfield_units_is_refused_with_what_it_seems_to_be() {
    let refused = [
        (vec![(500, 0.0), (500, 1.0)], "scaled to a small range"),
        (vec![(500, -1.02), (500, 3.0)], "scaled to a small range"),
        (vec![(500, 24.0), (500, 2523.0)], "intercept"),
        (
            vec![(100, -2000.0), (500, 24.0), (400, 1064.0)],
            "intercept",
        ),
        (
            vec![(500, 0.0), (490, 1.5), (10, 19.0)],
            "seems to be the PET",
        ),
        (
            vec![(500, 0.0), (490, 6200.0), (10, 42_600.0)],
            "seems to be the PET",
        ),
    ];
    for (parts, words) in refused {
        let reason = ct(NIFTI, &parts).unwrap_err();
        assert!(reason.contains(words), "{reason}");
        assert!(reason.contains("Hounsfield units"), "{reason}");
        // DICOM tells its unit and its intercept, so that only a doubt is left.
        let notes = ct(DICOM, &parts).unwrap();
        assert!(notes.contains(&NoteKind::CtWithoutAir), "{notes:?}");
    }
}

#[test]
fn a_doubtful_ct_is_noted() {
    // Scaled to bytes, one value alone, clipped to a window of soft tissue, and an intercept applied twice.
    let bytes = ct(NIFTI, &[(500, 0.0), (400, 120.0), (100, 255.0)]);
    assert_eq!(bytes, Ok(vec![NoteKind::CtWithoutAir]));
    assert_eq!(ct(NIFTI, &[(500, 40.0)]), Ok(vec![NoteKind::CtWithoutAir]));
    assert_eq!(
        ct(NIFTI, &[(500, -160.0), (500, 240.0)]),
        Ok(vec![NoteKind::CtWithoutAir])
    );
    assert_eq!(
        ct(NIFTI, &[(600, -2048.0), (400, -984.0)]),
        Ok(vec![NoteKind::CtWithoutTissue])
    );
    assert_eq!(judge_reach(0.2).unwrap().kind, NoteKind::CtTooShort);
    assert_eq!(judge_reach(0.9), None);
}

#[test]
fn a_label_that_lost_its_voxels_is_noted_and_a_rounded_one_is_not() {
    let label = |before, after| {
        let figures = LabelFigures {
            before,
            after,
            voxel: 0.1,
        };
        judge_label(figures).map(|note| note.kind)
    };
    let lost = Some(NoteKind::LabelLost);
    assert_eq!(label(0.04, 0.0), lost);
    assert_eq!(label(20.0, 4.0), lost);
    assert_eq!(label(0.0, 0.0), None);
    assert_eq!(label(20.0, 18.0), None);
    assert_eq!(
        label(0.3, 0.1),
        None,
        "three voxels may become one by rounding"
    );
}

#[test]
fn an_image_without_a_place_is_refused_beside_one_that_has_it() {
    let lost = Provenance {
        is_placed: false,
        ..NIFTI
    };
    assert_eq!(judge_place(NIFTI, DICOM), Ok(None));
    assert!(
        judge_place(NIFTI, lost)
            .unwrap_err()
            .starts_with("it has no position")
    );
    assert!(
        judge_place(lost, NIFTI)
            .unwrap_err()
            .contains("the PET has no position")
    );
    let both = judge_place(lost, lost).unwrap().unwrap();
    assert_eq!(both.kind, NoteKind::NoGeometry);
}

#[test]
fn a_scan_of_one_bed_is_no_whole_body() {
    assert_eq!(judge_length(140.0).unwrap().kind, NoteKind::NotWholeBody);
    assert!(judge_length(140.0).unwrap().text.contains("14 cm"));
    assert_eq!(judge_length(960.0), None);
    assert_eq!(judge_length(48.0), None, "a test image");
}

#[test]
fn a_series_that_lacks_slices_is_noted() {
    let with = |found, promised| {
        let slices = Some(SliceCount { found, promised });
        let parts = image(&[(900, 0.0), (100, 2.0)]);
        judge_pet(Provenance { slices, ..DICOM }, &parts).unwrap()
    };
    assert_eq!(kinds(&with(4, 300)), [NoteKind::SlicesMissing]);
    assert!(
        with(4, 300)[0]
            .text
            .contains("promises 300 slices and has 4")
    );
    assert!(with(300, 300).is_empty() && with(299, 300).is_empty() && with(301, 300).is_empty());
    assert!(with(0, 0).is_empty());
}
