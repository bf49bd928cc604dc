//! The report on every case.

use super::*;

#[tokio::test]
async fn the_report_says_of_every_case_what_became_of_it() {
    let bench = Bench::new(4);
    bench.truncate(2);
    let skipping = PrepareOptions {
        skip_bad: true,
        ..OPTIONS
    };
    bench.prepare("out", &skipping).await.unwrap();
    let bytes = bench.out("out").get(REPORT_NAME).await.unwrap();
    let report: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        (&report["taken"], &report["skipped"]),
        (&3.into(), &1.into())
    );
    let cases: Vec<CaseReport> = serde_json::from_value(report["cases"].clone()).unwrap();
    let names: Vec<&str> = cases.iter().map(|case| case.case_id.as_str()).collect();
    assert_eq!(names, ["case0", "case1", "case2", "case3"]);
    let data = fratmae_dataset::DataSet::open(&bench.out("out"))
        .await
        .unwrap();
    assert_eq!(stored_report(&data).await.unwrap().cases, cases);
    assert_eq!(
        cases[3].verdict,
        CaseVerdict::Taken {
            shard: 1,
            notes: vec![]
        }
    );
    assert!(
        matches!(&cases[2].verdict, CaseVerdict::Skipped { reason } if reason.starts_with("the PET: truncated")),
        "{:?}",
        cases[2]
    );
}

#[tokio::test]
async fn notes_are_kept_with_the_case_and_stop_where_none_is_accepted() {
    let bench = Bench::new(3);
    // A CT that is clipped to soft tissue, and so holds no air.
    let hu: Vec<i16> = (0..SIDE.pow(3))
        .map(|voxel| (voxel % 400) as i16 - 160)
        .collect();
    let affine = fratmae_imaging::read_nifti(bench.cases[1].ct.path())
        .unwrap()
        .affine;
    let bytes = encode_nifti([SIDE; 3], &affine, &NiftiVoxels::I16(&hu));
    fs::write(bench.cases[1].ct.path(), bytes).unwrap();
    let report = bench.prepare("out", &OPTIONS).await.unwrap();
    let kinds = |case: &CaseReport| -> Vec<fratmae_dataset::NoteKind> {
        case.verdict.notes().iter().map(|note| note.kind).collect()
    };
    let kinds: Vec<_> = report.cases.iter().map(kinds).collect();
    assert_eq!(
        kinds,
        [
            vec![],
            vec![fratmae_dataset::NoteKind::CtWithoutAir],
            vec![]
        ]
    );
    let data = fratmae_dataset::DataSet::open(&bench.out("out"))
        .await
        .unwrap();
    assert_eq!(
        data.manifest.cases[1].notes,
        report.cases[1].verdict.notes()
    );
    assert_eq!(stored_report(&data).await.unwrap().cases, report.cases);
    assert_eq!(
        fratmae_dataset::Summary::of(&fratmae_dataset::inspect(&data).cases).noted,
        1
    );
    // A kept shard keeps its notes, and does not hold where none is accepted.
    let again = bench.prepare("out", &OPTIONS).await.unwrap();
    assert_eq!((again.kept, again.cases), (3, report.cases));
    let strict = PrepareOptions {
        refuse_noted: true,
        ..OPTIONS
    };
    let refusal = bench.prepare("strict", &strict).await.unwrap_err();
    assert!(
        matches!(&refusal, PrepareError::Case { case, .. } if case == "case1"),
        "{refusal}"
    );
    assert!(
        refusal.full_reason().contains("holds no air"),
        "{}",
        refusal.full_reason()
    );
}

#[tokio::test]
async fn all_faults_are_told_at_once_where_none_is_left_out() {
    let mut bench = Bench::new(4);
    bench.cases[1].fault = Some("line 3: pet does not exist".to_owned().into());
    bench.cases[3].fault = Some("line 5: age is not a number".to_owned().into());
    let refusal = bench
        .prepare("out", &OPTIONS)
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        refusal,
        "2 cases cannot be used: case case1: line 3: pet does not exist; case case3: line 5: age is not a number"
    );
    assert!(bench.files("out").await.is_empty());
}

#[tokio::test]
async fn names_of_files_that_were_not_used_are_kept_only_where_they_are_names_of_cases() {
    let bench = Bench::new(1);
    for (layout, is_named) in [(Layout::AutoPet, true), (Layout::Dicom, false)] {
        let mut found = survey_of(&bench.cases);
        found.layout = layout;
        found.remarks = vec![Remark {
            text: "1 file ending in .mha of no case".to_owned(),
            names: vec!["Doe.mha".to_owned()],
        }];
        let out = bench.out(&layout.to_string());
        let report = prepare(found, &out, &OPTIONS, &mut |_| {}).await.unwrap();
        assert_eq!(report.remarks[0].names, ["Doe.mha"]);
        let text = String::from_utf8(out.get(REPORT_NAME).await.unwrap().to_vec()).unwrap();
        assert!(text.contains("1 file ending in .mha"), "{text}");
        assert_eq!(text.contains("Doe"), is_named, "{text}");
    }
}
