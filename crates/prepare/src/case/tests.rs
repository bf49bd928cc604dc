//! Owns the proofs that a study comes to the grid at the right places and with the right values.

use std::path::PathBuf;

use fratmae_imaging::{Affine, NiftiVoxels, encode_nifti};

use super::*;

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
/// 30 x 20 x 24 voxels of 4 x 5 x 6 mm around the origin, stored LAS.
const SHAPE: [usize; 3] = [30, 20, 24];
const LAS: Affine = [
    [-4.0, 0.0, 0.0, 58.0],
    [0.0, 5.0, 0.0, -47.5],
    [0.0, 0.0, 6.0, -69.0],
];

/// Gives the place of a voxel in the world.
fn place(affine: &Affine, voxel: [usize; 3]) -> [f64; 3] {
    let along = |row: &[f64; 4], axis: usize| row[axis] * voxel[axis] as f64;
    affine.map(|row| row[3] + (0..3).map(|axis| along(&row, axis)).sum::<f64>())
}

fn pet_at([x, y, z]: [f64; 3]) -> f64 {
    4.0 + 0.02 * x + 0.01 * y - 0.015 * z
}

fn ct_at([x, y, z]: [f64; 3]) -> f64 {
    100.0 + 2.0 * x - y + 3.0 * z
}

/// A study in a temporary folder.
struct Study {
    folder: tempfile::TempDir,
    case: CaseSource,
}

impl Study {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let case = CaseSource::new("one", path("pet.nii"), path("ct.nii"));
        Self { folder, case }
    }

    fn whole() -> Self {
        let study = Self::new();
        study.write("pet.nii", SHAPE, LAS, pet_at);
        study.write("ct.nii", SHAPE, LAS, ct_at);
        study
    }

    /// Writes an image whose voxels are a function of their place in the world.
    fn write(
        &self,
        name: &str,
        shape: [usize; 3],
        affine: Affine,
        value: impl Fn([f64; 3]) -> f64,
    ) -> PathBuf {
        let mut voxels = Vec::new();
        for k in 0..shape[2] {
            for j in 0..shape[1] {
                for i in 0..shape[0] {
                    voxels.push(value(place(&affine, [i, j, k])) as f32);
                }
            }
        }
        let path = self.folder.path().join(name);
        std::fs::write(
            &path,
            encode_nifti(shape, &affine, &NiftiVoxels::F32(&voxels)),
        )
        .unwrap();
        path
    }

    fn refusal(&self) -> String {
        let error = prepare_case(&self.case, [15, 10, 12]).unwrap_err();
        assert!(error.to_string().starts_with("case one"), "{error}");
        // What a data set may keep tells the reason and no path.
        let kept = error.told_without_paths();
        let folder = self.folder.path().to_string_lossy();
        assert!(!kept.contains(&*folder), "{kept}");
        error.full_reason()
    }
}

/// Checks values in (A, R, S) order against a function of the world, but for the border where edges are held.
fn assert_follows(
    values: &[f16],
    case: &PreparedCase,
    expected: impl Fn([f64; 3]) -> f64,
    tolerance: f64,
) {
    let [right, anterior, superior] = case.grid;
    for a in 2..anterior - 2 {
        for r in 2..right - 2 {
            for s in 2..superior - 2 {
                let world = place(&case.affine, [r, a, s]);
                let found = f64::from(values[(a * right + r) * superior + s]);
                assert!(
                    (found - expected(world)).abs() < tolerance,
                    "{found} at {world:?}"
                );
            }
        }
    }
}

#[test]
fn every_voxel_shows_its_place_in_the_world_shrunk_or_grown() {
    let study = Study::whole();
    for grid in [[15, 10, 12], [45, 30, 31], [10, 41, 24]] {
        let case = prepare_case(&study.case, grid).unwrap();
        assert_eq!(
            (case.grid, case.source_shape, case.source_spacing),
            (grid, SHAPE, [4.0, 5.0, 6.0])
        );
        assert_eq!(
            (case.source_axes.as_str(), case.label.is_none()),
            ("LAS", true)
        );
        let edges = [(grid, case.affine), (SHAPE, LAS)]
            .map(|(shape, affine)| Geometry { shape, affine }.bounds().concat());
        assert!(
            edges[0]
                .iter()
                .zip(&edges[1])
                .all(|(a, b)| (a - b).abs() < 1e-9),
            "{edges:?}"
        );
        assert_follows(&case.pet, &case, pet_at, 0.01);
        assert_follows(&case.ct, &case, ct_at, 0.6);
    }
}

#[test]
fn storage_order_of_axes_makes_no_difference() {
    let first = prepare_case(&Study::whole().case, [15, 10, 12]).unwrap();
    let lps = [
        [-4.0, 0.0, 0.0, 58.0],
        [0.0, -5.0, 0.0, 47.5],
        [0.0, 0.0, 6.0, -69.0],
    ];
    let sagittal = [
        [0.0, 0.0, 4.0, -58.0],
        [5.0, 0.0, 0.0, -47.5],
        [0.0, -6.0, 0.0, 69.0],
    ];
    for (axes, affine, shape) in [("LPS", lps, SHAPE), ("AIR", sagittal, [20, 24, 30])] {
        let study = Study::whole();
        study.write("pet.nii", shape, affine, pet_at);
        study.write("ct.nii", shape, affine, ct_at);
        let other = prepare_case(&study.case, [15, 10, 12]).unwrap();
        assert_eq!(other.source_axes, axes);
        assert_eq!(
            (&other.pet, &other.ct, other.affine),
            (&first.pet, &first.ct, first.affine)
        );
    }
}

#[test]
fn ct_on_a_finer_shifted_grid_is_air_where_it_does_not_reach() {
    let study = Study::whole();
    let fine = [
        [1.0, 0.0, 0.0, 0.5],
        [0.0, 1.0, 0.0, -60.0],
        [0.0, 0.0, 2.0, -90.0],
    ];
    study.write("ct.nii", [90, 130, 100], fine, ct_at);
    let case = prepare_case(&study.case, [15, 10, 12]).unwrap();
    for a in 0..10 {
        for r in 0..15 {
            for s in 0..12 {
                let world = place(&case.affine, [r, a, s]);
                let found = f64::from(case.ct[(a * 15 + r) * 12 + s]);
                let expected = if world[0] < 0.0 {
                    -1024.0
                } else {
                    ct_at(world)
                };
                assert!(
                    (found - expected).abs() < if world[0].abs() < 5.0 { 6.0 } else { 0.6 },
                    "{found} at {world:?}"
                );
            }
        }
    }
}

#[test]
fn ct_at_an_angle_is_sampled_through_both_affines() {
    let study = Study::whole();
    let (sine, cosine) = 0.2_f64.sin_cos();
    let turned = [
        [2.0 * cosine, -2.0 * sine, 0.0, -100.0],
        [2.0 * sine, 2.0 * cosine, 0.0, -150.0],
        [0.0, 0.0, 3.0, -90.0],
    ];
    study.write("ct.nii", [140, 140, 60], turned, ct_at);
    let case = prepare_case(&study.case, [15, 10, 12]).unwrap();
    assert_follows(&case.ct, &case, ct_at, 1.0);
}

#[test]
fn pet_at_an_angle_keeps_its_own_axes() {
    let study = Study::whole();
    let (sine, cosine) = 0.3_f64.sin_cos();
    let turned = [
        [-4.0 * cosine, 5.0 * sine, 0.0, 58.0],
        [4.0 * sine, 5.0 * cosine, 0.0, -70.0],
        [0.0, 0.0, 6.0, -69.0],
    ];
    for ct_affine in [
        turned,
        [
            [3.0, 0.0, 0.0, -150.0],
            [0.0, 3.0, 0.0, -150.0],
            [0.0, 0.0, 3.0, -90.0],
        ],
    ] {
        study.write("pet.nii", SHAPE, turned, pet_at);
        study.write("ct.nii", [100, 100, 60], ct_affine, ct_at);
        if ct_affine == turned {
            study.write("ct.nii", SHAPE, turned, ct_at);
        }
        let case = prepare_case(&study.case, [15, 10, 12]).unwrap();
        assert_eq!(case.source_axes, "LAS");
        assert_follows(&case.pet, &case, pet_at, 0.01);
        assert_follows(&case.ct, &case, ct_at, 1.0);
    }
}

#[test]
fn a_file_that_is_gone_is_named() {
    let mut study = Study::whole();
    study.case.ct = study.folder.path().join("gone.nii.gz").into();
    assert!(study.refusal().contains("gone.nii.gz"));
}

#[test]
fn images_of_other_places_are_refused_with_both_boxes() {
    let study = Study::whole();
    let mut far = LAS;
    far[2][3] = 900.0;
    study.write("ct.nii", SHAPE, far, ct_at);
    let message = study.refusal();
    assert!(
        message.contains("z -72..72") && message.contains("z 897..1041"),
        "{message}"
    );
}

#[test]
fn a_ct_that_is_said_to_lie_on_the_pets_grid_must() {
    let mut study = Study::whole();
    let mut near = LAS;
    near[2][3] += 2.0 * LAS[2][2];
    study.write("ct.nii", SHAPE, near, ct_at);
    assert!(prepare_case(&study.case, [15, 10, 12]).is_ok());
    study.case.one_grid = true;
    let reason = study.refusal();
    assert!(
        reason.starts_with("the CT: ") && reason.contains("2.0 voxels away"),
        "{reason}"
    );
}

#[test]
fn values_are_kept_within_what_is_stored() {
    let study = Study::whole();
    study.write(
        "pet.nii",
        SHAPE,
        LAS,
        |[x, ..]| if x > 0.0 { 900.0 } else { -1.0 },
    );
    study.write("ct.nii", SHAPE, LAS, |[x, ..]| {
        if x > 0.0 { 30_000.0 } else { -1400.0 }
    });
    let case = prepare_case(&study.case, SHAPE).unwrap();
    assert_eq!(
        [case.pet[0], case.pet[29 * 24]].map(f32::from),
        [0.0, 900.0]
    );
    assert_eq!(
        [case.ct[0], case.ct[29 * 24]].map(f32::from),
        [-1024.0, 3072.0]
    );
}

#[test]
fn labels_take_the_nearest_voxel_and_must_be_whole() {
    let mut study = Study::whole();
    let label = study.write(
        "label.nii",
        SHAPE,
        LAS,
        |[x, ..]| if x > 20.0 { 3.0 } else { 0.0 },
    );
    study.case.label = Some(label.into());
    let case = prepare_case(&study.case, [15, 10, 12]).unwrap();
    let label = case.label.unwrap();
    assert_eq!(
        label.iter().filter(|&&value| value == 3).count(),
        5 * 10 * 12
    );
    assert_eq!((label[0], label[14 * 12]), (0, 3));
    study.write("label.nii", SHAPE, LAS, |_| 0.5);
    assert!(study.refusal().contains("whole numbers"));
    let mut far = LAS;
    far[2][3] += 10.0 * LAS[2][2];
    study.write("label.nii", SHAPE, far, |_| 0.0);
    let reason = study.refusal();
    assert!(
        reason.starts_with("the label: ") && reason.contains("10.0 voxels away"),
        "{reason}"
    );
}

#[test]
fn ct_given_as_pet_is_noticed() {
    let study = Study::whole();
    study.write("pet.nii", SHAPE, LAS, |[x, ..]| -500.0 + x);
    assert!(study.refusal().contains("is it the CT?"));
}

#[test]
fn body_is_the_longest_run_of_tissue() {
    let study = Study::whole();
    let body_and_table = |[_, y, _]: [f64; 3]| {
        if (-20.0..30.0).contains(&y) || y < -42.0 {
            40.0
        } else {
            -1000.0
        }
    };
    study.write("ct.nii", SHAPE, LAS, body_and_table);
    assert_eq!(prepare_case(&study.case, SHAPE).unwrap().body, [6, 15]);
    study.write("ct.nii", SHAPE, LAS, |_| -1000.0);
    assert_eq!(prepare_case(&study.case, SHAPE).unwrap().body, [0, 19]);
}

#[test]
fn real_study_keeps_its_mean_and_overlaps_in_space() {
    for (name, mean_suv, mean_hu) in [("STS_019", 0.41135, -676.0), ("STS_008", 0.32910, -407.3)] {
        let file = |kind: &str| PathBuf::from(format!("{SHARED}/petct/{name}/nifti/{kind}.nii.gz"));
        if !file("PET_image").exists() {
            std::io::Write::write_all(
                &mut std::io::stderr(),
                b"skipped: this clone has no real images\n",
            )
            .unwrap();
            return;
        }
        let source = CaseSource {
            label: Some(file("PET_mask").into()),
            ..CaseSource::new(name, file("PET_image"), file("CT_image"))
        };
        let case = prepare_case(&source, [160, 160, 192]).unwrap();
        let mean = |values: &[f16]| {
            values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64
        };
        assert_eq!(case.source_axes, "LPS");
        assert!(
            (mean(&case.pet) - mean_suv).abs() < 0.02 * mean_suv,
            "{}",
            mean(&case.pet)
        );
        assert!(
            (mean(&case.ct) - mean_hu).abs() < 25.0,
            "{}",
            mean(&case.ct)
        );
        let share = case
            .label
            .unwrap()
            .iter()
            .filter(|&&value| value == 1)
            .count() as f64
            / (160.0 * 160.0 * 192.0);
        assert!((0.004..0.012).contains(&share), "{share}");
    }
}

/// A study whose PET and CT have usual values, 96 cm long.
fn usual() -> Study {
    let study = Study::new();
    study.write(
        "pet.nii",
        SHAPE,
        LAS,
        |[x, _, _]| if x > 0.0 { 1.5 } else { 0.0 },
    );
    study.write("ct.nii", SHAPE, LAS, usual_ct);
    study
}

fn usual_ct([x, _, _]: [f64; 3]) -> f64 {
    if x > 0.0 { 40.0 } else { -1000.0 }
}

fn kinds_of(study: &Study) -> Vec<fratmae_dataset::NoteKind> {
    let case = prepare_case(&study.case, [15, 10, 12]).unwrap();
    case.notes.into_iter().map(|note| note.kind).collect()
}

#[test]
fn a_case_carries_its_notes_and_a_usual_one_has_none() {
    use fratmae_dataset::NoteKind::{CtTooShort, LabelLost, NotWholeBody};
    // 24 slices of 6 mm are 14 cm, of 40 mm 96 cm.
    let long = |mut affine: Affine| {
        affine[2][2] = 40.0;
        affine
    };
    assert_eq!(kinds_of(&usual()), [NotWholeBody]);
    let mut study = usual();
    study.write(
        "pet.nii",
        SHAPE,
        long(LAS),
        |[x, _, _]| if x > 0.0 { 1.5 } else { 0.0 },
    );
    assert_eq!(kinds_of(&study), [CtTooShort], "14 of 96 cm");
    study.write("ct.nii", SHAPE, long(LAS), usual_ct);
    assert_eq!(kinds_of(&study), []);
    // One voxel of 60: the grid, half as fine, may pass it over.
    let label = study.write("label.nii", SHAPE, long(LAS), |[x, y, z]| {
        f64::from(u8::from(
            (x - 2.0).abs() < 1.0 && (y - 2.5).abs() < 1.0 && (z - 11.0).abs() < 1.0,
        ))
    });
    study.case.label = Some(label.into());
    assert_eq!(kinds_of(&study), [LabelLost]);
}

#[test]
fn values_that_cannot_be_suv_or_hu_are_refused() {
    let study = usual();
    study.write("pet.nii", SHAPE, LAS, |[x, _, _]| 6200.0 + x);
    assert!(study.refusal().contains("Bq/ml"));
    study.write("pet.nii", SHAPE, LAS, |_| 0.0);
    assert!(study.refusal().contains("all but zero"));
    let study = usual();
    study.write("ct.nii", SHAPE, LAS, |at| usual_ct(at) + 1024.0);
    assert!(study.refusal().contains("intercept"));
    // Turned by a right angle and some more, so that it is read on the other way.
    study.write("ct.nii", SHAPE, LAS, |at| (usual_ct(at) + 1000.0) / 2000.0);
    assert!(study.refusal().contains("scaled to a small range"));
}

#[test]
fn a_label_apart_or_without_a_place_is_refused() {
    let mut study = usual();
    let identity = [
        [-1.0, 0.0, 0.0, 0.0],
        [0.0, -1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0],
    ];
    study.case.label = Some(
        study
            .write("label.nii", [6, 6, 6], identity, |_| 1.0)
            .into(),
    );
    assert!(study.refusal().contains("has no position"));
    let mut far = LAS;
    far[0][3] += 500.0;
    study.write("label.nii", [6, 6, 6], far, |_| 1.0);
    assert!(study.refusal().contains("PET and label do not overlap"));
}

#[test]
fn labels_that_scaling_made_nearly_whole_are_whole() {
    let mut study = usual();
    study.case.label = Some(
        study
            .write("label.nii", SHAPE, LAS, |[x, _, _]| {
                if x > 0.0 { 0.999_999_9 } else { 0.0 }
            })
            .into(),
    );
    let label = prepare_case(&study.case, [15, 10, 12])
        .unwrap()
        .label
        .unwrap();
    assert!(label.contains(&1) && label.iter().all(|&value| value < 2));
}

#[test]
fn padding_of_a_ct_is_air_before_it_is_averaged() {
    let (sine, cosine) = 0.1_f64.sin_cos();
    let turned = [
        [0.0, 0.0, -4.0, 58.0],
        [0.0, 5.0, 0.0, -47.5],
        [6.0, 0.0, 0.0, -69.0],
    ];
    let oblique = [
        [-4.0 * cosine, -5.0 * sine, 0.0, 62.0],
        [-4.0 * sine, 5.0 * cosine, 0.0, -42.0],
        [0.0, 0.0, 6.0, -69.0],
    ];
    for (shape, affine) in [(SHAPE, LAS), ([24, 20, 30], turned), (SHAPE, oblique)] {
        let prepared = |outside: f64| {
            let study = Study::whole();
            // A circle that is half tissue and half lung.
            let tissue = |[x, y, _]: [f64; 3]| match x * x + y * y < 1600.0 {
                true if y < 0.0 => 40.0,
                true => -800.0,
                false => outside,
            };
            study.write("ct.nii", shape, affine, tissue);
            prepare_case(&study.case, [15, 10, 12]).unwrap().ct
        };
        let air = prepared(-1024.0);
        assert!(prepared(-3024.0) == air && prepared(-2000.0) == air);
        // The rim of the circle is an average of both.
        assert!(
            air.iter()
                .any(|value| (-900.0..-100.0).contains(&value.to_f32()))
        );
    }
}
