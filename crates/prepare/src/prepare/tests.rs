//! Preparing, stopping and going on, over small phantoms.

mod orientations;
mod privacy;
mod reporting;
mod shares;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use fratmae_dataset::Metadata;
use fratmae_imaging::{NiftiVoxels, encode_nifti};
use tempfile::TempDir;

use super::*;

const SIDE: usize = 8;
const OPTIONS: PrepareOptions = PrepareOptions {
    grid: [4, 6, 5],
    cases_per_shard: 2,
    threads: 2,
    skip_bad: false,
    refuse_noted: false,
    part: Part::Whole,
};

/// Holds cases on disk and a place for their data set.
struct Bench {
    folder: TempDir,
    cases: Vec<CaseSource>,
}

impl Bench {
    fn new(cases: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let cases = (0..cases)
            .map(|case| write_case(folder.path(), case))
            .collect();
        Self { folder, cases }
    }

    fn out(&self, name: &str) -> Location {
        Location::open(&self.folder.path().join(name).display().to_string()).unwrap()
    }

    async fn prepare(
        &self,
        name: &str,
        options: &PrepareOptions,
    ) -> Result<PrepareReport, PrepareError> {
        prepare(
            survey_of(&self.cases),
            &self.out(name),
            options,
            &mut |_| {},
        )
        .await
    }

    /// Returns all files of a data set.
    async fn files(&self, name: &str) -> BTreeMap<String, Bytes> {
        let out = self.out(name);
        let mut files = BTreeMap::new();
        for entry in out.list("").await.unwrap() {
            let bytes = out.get(&entry.relative).await.unwrap();
            files.insert(entry.relative, bytes);
        }
        files
    }

    fn truncate(&self, case: usize) -> Vec<u8> {
        let bytes = fs::read(self.cases[case].pet.path()).unwrap();
        fs::write(self.cases[case].pet.path(), &bytes[..bytes.len() / 2]).unwrap();
        bytes
    }
}

fn survey_of(cases: &[CaseSource]) -> Survey {
    Survey {
        layout: Layout::Table,
        cases: cases.to_vec(),
        dropped_columns: vec!["name".to_owned()],
        remarks: vec![],
    }
}

fn write_case(folder: &Path, case: usize) -> CaseSource {
    let affine = [
        [-10.0, 0.0, 0.0, 40.0],
        [0.0, 10.0, 0.0, -30.0],
        [0.0, 0.0, 10.0, 0.0],
    ];
    let voxels: Vec<f32> = (0..SIDE.pow(3))
        .map(|voxel| ((voxel * 7 + case * 13) % 50) as f32 / 5.0)
        .collect();
    let hu: Vec<i16> = (0..SIDE.pow(3))
        .map(|voxel| ((voxel * 31 + case) % 1500) as i16 - 700)
        .collect();
    let write = |name: &str, voxels: &NiftiVoxels<'_>| {
        let path = folder.join(format!("case{case}_{name}.nii"));
        fs::write(&path, encode_nifti([SIDE; 3], &affine, voxels)).unwrap();
        path
    };
    CaseSource {
        label: (case == 1).then(|| write("label", &NiftiVoxels::U8(&[1; SIDE.pow(3)])).into()),
        metadata: Metadata {
            age: Some(50.0),
            ..Metadata::default()
        },
        ..CaseSource::new(
            format!("case{case}"),
            write("pet", &NiftiVoxels::F32(&voxels)),
            write("ct", &NiftiVoxels::I16(&hu)),
        )
    }
}

#[tokio::test]
async fn a_prepared_data_set_opens_and_is_sound() {
    let bench = Bench::new(5);
    let report = bench.prepare("out", &OPTIONS).await.unwrap();
    assert_eq!(
        (
            report.prepared,
            report.kept,
            report.shards,
            report.unchanged
        ),
        (5, 0, 3, false)
    );
    let data = fratmae_dataset::DataSet::open(&bench.out("out"))
        .await
        .unwrap();
    assert_eq!(
        (data.manifest.cases.len(), data.manifest.grid),
        (5, OPTIONS.grid)
    );
    assert_eq!(
        (
            data.manifest.cases[3].shard,
            data.manifest.cases[3].row_group
        ),
        (1, 1)
    );
    assert_eq!(
        (report.digest, true),
        (
            Some(data.manifest.digest.clone()),
            data.manifest.cases[1].label
        )
    );
    assert!(
        fratmae_dataset::verify(&data, &mut |_, _| {})
            .await
            .unwrap()
            .is_sound()
    );
}

#[tokio::test]
async fn threads_and_the_order_of_cases_do_not_change_a_byte() {
    let mut bench = Bench::new(5);
    bench
        .prepare(
            "one",
            &PrepareOptions {
                threads: 1,
                ..OPTIONS
            },
        )
        .await
        .unwrap();
    bench.cases.reverse();
    bench
        .prepare(
            "four",
            &PrepareOptions {
                threads: 4,
                ..OPTIONS
            },
        )
        .await
        .unwrap();
    assert_eq!(bench.files("one").await, bench.files("four").await);
}

#[tokio::test]
async fn shards_of_another_size_hold_the_same_content() {
    let bench = Bench::new(5);
    let two = bench.prepare("two", &OPTIONS).await.unwrap();
    let all = bench
        .prepare(
            "all",
            &PrepareOptions {
                cases_per_shard: 9,
                ..OPTIONS
            },
        )
        .await
        .unwrap();
    assert_eq!((two.shards, all.shards, two.digest), (3, 1, all.digest));
}

#[tokio::test]
async fn a_stopped_prepare_goes_on_and_ends_in_the_same_bytes() {
    let bench = Bench::new(5);
    bench.prepare("undisturbed", &OPTIONS).await.unwrap();
    let whole = bench.truncate(3);
    let refusal = bench.prepare("stopped", &OPTIONS).await.unwrap_err();
    assert!(
        matches!(&refusal, PrepareError::Case { case, .. } if case == "case3"),
        "{refusal}"
    );
    let left: Vec<String> = bench.files("stopped").await.into_keys().collect();
    assert_eq!(
        left,
        ["shards/shard-00000.json", "shards/shard-00000.parquet"],
        "only whole shards are left"
    );
    assert!(
        fratmae_dataset::DataSet::open(&bench.out("stopped"))
            .await
            .is_err(),
        "without a manifest there is no data set"
    );

    fs::write(bench.cases[3].pet.path(), whole).unwrap();
    let mut calls = Vec::new();
    let report = prepare(
        survey_of(&bench.cases),
        &bench.out("stopped"),
        &OPTIONS,
        &mut |progress| calls.push(progress),
    )
    .await
    .unwrap();
    assert_eq!((report.prepared, report.kept), (3, 2));
    assert_eq!(
        calls
            .iter()
            .map(|progress| progress.done)
            .collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    assert_eq!(
        [&calls[1].outcome, &calls[2].outcome],
        [&CaseOutcome::Kept, &CaseOutcome::Prepared { notes: vec![] }]
    );
    let without_times = |files: BTreeMap<String, Bytes>| {
        files
            .into_iter()
            .filter(|(name, _)| !name.ends_with("0001.json"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        without_times(bench.files("stopped").await),
        without_times(bench.files("undisturbed").await)
    );
}

#[tokio::test]
async fn a_shard_whose_record_or_bytes_are_lost_is_made_again() {
    let bench = Bench::new(4);
    bench.prepare("out", &OPTIONS).await.unwrap();
    let whole = bench.files("out").await;
    for lost in ["shards/shard-00000.json", "shards/shard-00001.parquet"] {
        bench.out("out").delete(lost).await.unwrap();
        bench.out("out").delete(MANIFEST_NAME).await.unwrap();
        let report = bench.prepare("out", &OPTIONS).await.unwrap();
        assert_eq!((report.prepared, report.kept), (2, 2), "{lost}");
        assert_eq!(bench.files("out").await, whole);
    }
}

#[tokio::test]
async fn a_shard_that_a_finished_data_set_lost_is_made_again() {
    let mut bench = Bench::new(4);
    bench.prepare("out", &OPTIONS).await.unwrap();
    let whole = bench.files("out").await;
    let lose = async || {
        let out = bench.out("out");
        out.delete("shards/shard-00001.parquet").await.unwrap();
    };
    lose().await;
    let report = bench.prepare("out", &OPTIONS).await.unwrap();
    let counts = (report.prepared, report.kept, report.unchanged);
    assert_eq!(counts, (2, 2, false));
    assert_eq!(bench.files("out").await, whole);
    lose().await;
    bench.cases[3].metadata.age = None;
    let refusal = bench.prepare("out", &OPTIONS).await.unwrap_err();
    assert!(
        matches!(refusal, PrepareError::OtherDataSet { .. }),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_finished_data_set_of_the_same_cases_is_left_alone() {
    let bench = Bench::new(3);
    bench.prepare("out", &OPTIONS).await.unwrap();
    let whole = bench.files("out").await;
    // A file that was touched, but holds the same, is the same.
    let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::options()
        .append(true)
        .open(bench.cases[0].ct.path())
        .unwrap()
        .set_modified(past)
        .unwrap();
    let report = bench.prepare("out", &OPTIONS).await.unwrap();
    assert_eq!(
        (report.prepared, report.kept, report.unchanged),
        (0, 3, true)
    );
    assert_eq!(bench.files("out").await, whole);
}

#[tokio::test]
async fn a_finished_data_set_of_other_cases_is_not_overwritten() {
    let mut bench = Bench::new(3);
    bench.prepare("out", &OPTIONS).await.unwrap();
    let whole = bench.files("out").await;
    let refused = async |bench: &Bench, options: &PrepareOptions| {
        let refusal = bench.prepare("out", options).await.unwrap_err();
        assert!(
            matches!(refusal, PrepareError::OtherDataSet { .. }),
            "{refusal}"
        );
    };
    refused(
        &bench,
        &PrepareOptions {
            grid: [4, 6, 6],
            ..OPTIONS
        },
    )
    .await;
    bench.cases[1].metadata.age = None;
    refused(&bench, &OPTIONS).await;
    bench.cases[1].metadata.age = Some(50.0);
    let dropped = bench.cases.pop().unwrap();
    refused(&bench, &OPTIONS).await;
    let mut changed = fs::read(dropped.pet.path()).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(dropped.pet.path(), changed).unwrap();
    bench.cases.push(dropped);
    refused(&bench, &OPTIONS).await;
    assert_eq!(bench.files("out").await, whole);
}

#[tokio::test]
async fn bad_cases_are_skipped_with_their_reason_where_that_is_asked() {
    let bench = Bench::new(4);
    bench.truncate(2);
    bench.truncate(3);
    let skipping = PrepareOptions {
        skip_bad: true,
        ..OPTIONS
    };
    let report = bench.prepare("out", &skipping).await.unwrap();
    let names: Vec<&str> = report
        .skipped
        .iter()
        .map(|case| case.case_id.as_str())
        .collect();
    assert_eq!(
        (names, report.shards),
        (vec!["case2", "case3"], 1),
        "a shard of bad cases only is none"
    );
    assert!(
        report.skipped[0].reason.starts_with("the PET: truncated"),
        "{}",
        report.skipped[0].reason
    );
    let data = fratmae_dataset::DataSet::open(&bench.out("out"))
        .await
        .unwrap();
    assert_eq!(
        data.manifest
            .cases
            .iter()
            .map(|case| case.case_id.as_str())
            .collect::<Vec<_>>(),
        ["case0", "case1"]
    );
    let again = bench.prepare("out", &skipping).await.unwrap();
    assert_eq!(
        (again.unchanged, again.kept, again.skipped),
        (true, 2, report.skipped)
    );
}

#[tokio::test]
async fn a_data_set_without_any_usable_case_is_none() {
    let bench = Bench::new(1);
    bench.truncate(0);
    let refusal = bench
        .prepare(
            "out",
            &PrepareOptions {
                skip_bad: true,
                ..OPTIONS
            },
        )
        .await
        .unwrap_err();
    assert!(
        matches!(refusal, PrepareError::DataSet(DataSetError::Empty { .. })),
        "{refusal}"
    );
    let refusal = Bench::new(0).prepare("out", &OPTIONS).await.unwrap_err();
    assert!(
        matches!(refusal, PrepareError::DataSet(DataSetError::Empty { .. })),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_case_that_is_given_twice_is_refused() {
    let mut bench = Bench::new(2);
    bench.cases.push(bench.cases[0].clone());
    let refusal = bench
        .prepare("out", &OPTIONS)
        .await
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("case0 is given twice"), "{refusal}");
}

#[tokio::test]
async fn a_grid_without_voxels_is_refused() {
    let refusal = Bench::new(1)
        .prepare(
            "out",
            &PrepareOptions {
                grid: [4, 0, 5],
                ..OPTIONS
            },
        )
        .await
        .unwrap_err();
    assert!(matches!(refusal, PrepareError::Options { .. }), "{refusal}");
}
