//! The manifest's digest and its refusals.

use super::*;

/// Lists made-up cases, given as (id, body box).
pub(crate) fn manifest_of(grid: [usize; 3], cases: &[(&str, [u32; 2])]) -> Manifest {
    Manifest::new(
        grid,
        cases
            .iter()
            .map(|(case_id, body)| case_of(case_id, *body))
            .collect(),
    )
}

fn case_of(case_id: &str, body: [u32; 2]) -> ManifestCase {
    let range = ValueRange {
        min: 0.0,
        max: 2.0,
        mean: 0.5,
    };
    ManifestCase {
        case_id: case_id.to_owned(),
        shard: 0,
        row_group: 0,
        digest: format!("digest of {case_id}"),
        body,
        label: false,
        metadata: Metadata {
            age: Some(60.0),
            ..Metadata::default()
        },
        fold: None,
        affine: [
            [5.0, 0.0, 0.0, -400.0],
            [0.0, 5.0, 0.0, 0.0],
            [0.0, 0.0, 4.5, 0.0],
        ],
        spacing: [5.0, 5.0, 4.5],
        source_spacing: [2.0, 2.0, 3.0],
        source_shape: [400, 400, 326],
        source_axes: "LAS".to_owned(),
        pet: range,
        ct: range,
        notes: vec![],
    }
}

fn parse(manifest: &Manifest) -> Result<Manifest, DataSetError> {
    Manifest::parse(&manifest.to_json().unwrap(), "mem://x")
}

/// Changes a sound manifest, seals it again, and returns what is said of it.
fn refusal(change: impl FnOnce(&mut Manifest)) -> String {
    let mut manifest = manifest_of([4, 10, 4], &[("a", [0, 9]), ("b", [3, 4])]);
    change(&mut manifest);
    manifest.digest = manifest.digest();
    parse(&manifest).unwrap_err().to_string()
}

#[test]
fn a_manifest_survives_its_json() {
    let manifest = manifest_of([4, 10, 4], &[("b", [3, 4]), ("a", [0, 9])]);
    assert_eq!(parse(&manifest).unwrap(), manifest);
    assert_eq!(manifest.cases[0].case_id, "a", "cases are sorted");
}

#[test]
fn the_digest_is_frozen() {
    let manifest = manifest_of([160, 160, 192], &[("a", [0, 9])]);
    // Both digests were made by another implementation of the layout, in Python.
    assert_eq!(
        manifest.digest,
        "c3a3c926218cd114c3b33988cfcf96fe130e798e0f620c757aed490c5dcee489"
    );
    let mut case = CaseDigest::new(
        "a",
        [1, 2, 3],
        &manifest.cases[0].metadata,
        &manifest.cases[0].affine,
        [0, 1],
    );
    case.slice(&[7; 32]);
    case.label(Some(&[1, 2]));
    assert_eq!(
        case.finish(),
        "8180ab7d41defd06548c374b9701da319fcb858cf00b646ebb001d47427a2fe0"
    );
}

#[test]
fn the_digest_does_not_depend_on_shards() {
    let manifest = manifest_of([4, 10, 4], &[("a", [0, 9]), ("b", [3, 4])]);
    let mut moved = manifest.clone();
    moved.cases[1].shard = 7;
    moved.cases[1].row_group = 3;
    assert_eq!(moved.digest(), manifest.digest());
    moved.cases[1].digest = "another".to_owned();
    assert_ne!(moved.digest(), manifest.digest());
}

#[test]
fn each_part_of_a_case_counts_in_its_digest() {
    let metadata = Metadata {
        tracer: Some("18F-FDG".to_owned()),
        ..Metadata::default()
    };
    let affine = [[1.0, 0.0, 0.0, 0.0]; 3];
    let digest = |case_id: &str, metadata: &Metadata, body, slice, label: Option<&[u8]>| {
        let mut digest = CaseDigest::new(case_id, [1, 2, 3], metadata, &affine, body);
        digest.slice(&[slice; 32]);
        digest.label(label);
        digest.finish()
    };
    let moved = Metadata {
        sex: metadata.tracer.clone(),
        ..Metadata::default()
    };
    let digests = std::collections::BTreeSet::from([
        digest("a", &metadata, [0, 1], 1, None),
        digest("b", &metadata, [0, 1], 1, None),
        digest("a", &moved, [0, 1], 1, None),
        digest(
            "a",
            &Metadata {
                age: Some(0.0),
                ..metadata.clone()
            },
            [0, 1],
            1,
            None,
        ),
        digest("a", &metadata, [1, 1], 1, None),
        digest("a", &metadata, [0, 1], 2, None),
        digest("a", &metadata, [0, 1], 1, Some(&[])),
        digest("a", &metadata, [0, 1], 1, Some(&[1])),
    ]);
    assert_eq!(digests.len(), 8);
}

#[test]
fn another_layout_is_refused_by_its_number_whatever_else_it_holds() {
    let refusal =
        Manifest::parse(br#"{"layout_version": 9, "volumes": []}"#, "mem://x").unwrap_err();
    assert!(
        matches!(
            refusal,
            DataSetError::LayoutVersion {
                found: 9,
                expected: LAYOUT_VERSION,
                ..
            }
        ),
        "{refusal}"
    );
}

#[test]
fn an_empty_data_set_is_refused() {
    let refusal = parse(&manifest_of([4, 10, 4], &[])).unwrap_err();
    assert!(matches!(refusal, DataSetError::Empty { .. }), "{refusal}");
}

#[test]
fn what_is_no_manifest_is_refused() {
    for bytes in [
        &b""[..],
        b"{}",
        b"[3]",
        b"\xff\xfe",
        br#"{"layout_version": 3}"#,
    ] {
        let refusal = Manifest::parse(bytes, "mem://x").unwrap_err();
        assert!(
            matches!(refusal, DataSetError::Manifest { .. }),
            "{refusal}"
        );
    }
}

#[test]
fn parts_that_do_not_fit_together_are_refused() {
    assert!(refusal(|manifest| manifest.grid[0] = 0).contains("side outside"));
    assert!(refusal(|manifest| manifest.grid[2] = usize::MAX).contains("side outside"));
    assert!(refusal(|manifest| manifest.cases.swap(0, 1)).contains("not sorted"));
    assert!(refusal(|manifest| manifest.cases[1].case_id = "a".to_owned()).contains("not sorted"));
    assert!(refusal(|manifest| manifest.cases[1].body = [3, 10]).contains("leaves the grid"));
    assert!(refusal(|manifest| manifest.cases[1].body = [4, 3]).contains("leaves the grid"));
}

#[test]
fn a_case_that_was_taken_out_by_hand_is_noticed() {
    let mut manifest = manifest_of([4, 10, 4], &[("a", [0, 9]), ("b", [3, 4])]);
    manifest.cases.pop();
    let refusal = parse(&manifest).unwrap_err().to_string();
    assert!(
        refusal.contains("its digest is not that of its cases"),
        "{refusal}"
    );
}

#[test]
fn every_changed_byte_of_a_sealed_manifest_is_noticed_and_every_cut() {
    let good = manifest_of([4, 10, 4], &[("a", [0, 9]), ("b", [3, 4])]);
    let good = good.to_json().unwrap();
    for index in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.to_vec();
            bad[index] ^= 1 << bit;
            assert!(
                Manifest::parse(&bad, "mem://x").is_err(),
                "byte {index} bit {bit}"
            );
        }
        assert!(
            Manifest::parse(&good[..index], "mem://x").is_err(),
            "cut at {index}"
        );
    }
}

#[test]
fn what_nothing_but_the_seal_covers_is_said_to_be_changed() {
    let manifest = manifest_of([4, 10, 4], &[("a", [0, 9])]);
    let text = String::from_utf8(manifest.to_json().unwrap().to_vec()).unwrap();
    for (was, is) in [
        ("\"age\": 60.0", "\"age\": 90.0"),
        ("\"row_group\": 0", "\"row_group\": 1"),
    ] {
        let changed = text.replace(was, is);
        assert_ne!(changed, text);
        let line = Manifest::parse(changed.as_bytes(), "mem://x")
            .unwrap_err()
            .to_string();
        assert!(line.contains("its seal is not that of its bytes"), "{line}");
    }
}

#[test]
fn a_manifest_of_before_there_were_seals_is_read() {
    let manifest = manifest_of([4, 10, 4], &[("a", [0, 9])]);
    let unsealed = serde_json::to_vec_pretty(&manifest).unwrap();
    assert_eq!(Manifest::parse(&unsealed, "mem://x").unwrap(), manifest);
    let (digest, is_sealed) = Manifest::digest_of(&unsealed);
    assert!(!is_sealed);
    // Sealed later, it is still the same manifest.
    let sealed = manifest.to_json().unwrap();
    assert_eq!(Manifest::digest_of(&sealed), (digest, true));
}
