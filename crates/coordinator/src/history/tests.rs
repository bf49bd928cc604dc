//! What is written comes back, and what was rewound does not.

use super::*;
use bytes::Bytes;
use fratmae_control::Phase;
use fratmae_protocol::pb::Trained;

fn row(step: u64, loss: f64) -> HistoryRow {
    let metrics = [("loss", loss), ("baseline_pet", 0.5), ("a_later_one", 0.25)];
    HistoryRow {
        step,
        generation: 1,
        samples: step * 4,
        metrics: metrics.into_iter().collect(),
        // Of a step that was told late it is not known.
        unix_ms: (step != 2).then_some(1_700_000_000_000 + step),
        phases: [(Phase::Forward.name().to_owned(), 0.25)].into(),
        trained: Some(Trained {
            positions: vec![2 * step, 2 * step + 1],
            cases: vec![7, u32::try_from(step).unwrap()],
        }),
        ..HistoryRow::default()
    }
}

fn place() -> (tempfile::TempDir, Location) {
    let folder = tempfile::tempdir().unwrap();
    let run = Location::open(folder.path().to_str().unwrap()).unwrap();
    (folder, run)
}

#[tokio::test]
async fn figures_come_back_in_step_order() {
    let (_folder, run) = place();
    let mut history = History::default();
    (1..=5).for_each(|step| history.push(row(step, 1.0 / step as f64)));
    history.flush(&run, 3).await.unwrap();
    history.flush(&run, 5).await.unwrap();
    let rows = read_history(&run).await.unwrap();
    assert_eq!(
        rows,
        (1..=5)
            .map(|step| row(step, 1.0 / step as f64))
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn steps_after_the_commit_wait_for_the_next_one() {
    let (_folder, run) = place();
    let mut history = History::default();
    (1..=5).for_each(|step| history.push(row(step, 0.5)));
    history.flush(&run, 3).await.unwrap();
    assert_eq!(read_history(&run).await.unwrap().len(), 3);
}

#[test]
fn a_rewound_step_is_replaced_by_its_second_coming() {
    let mut history = History::default();
    (1..=5).for_each(|step| history.push(row(step, 0.5)));
    history.rewind(2);
    history.push(row(3, 0.25));
    assert_eq!(
        history.rows.iter().map(|row| row.step).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert!((history.rows[2].loss() - 0.25).abs() < 1e-12);
}

#[test]
fn rows_that_come_late_find_their_place_and_gaps_are_seen() {
    let mut history = History::default();
    for step in [5, 6, 8, 7, 6] {
        history.push(row(step, 0.5));
    }
    let steps: Vec<_> = history.rows.iter().map(|row| row.step).collect();
    assert_eq!(steps, [5, 6, 7, 8]);
    assert_eq!(history.complete_until(4), 8);
    assert_eq!(history.complete_until(3), 3);
    history.rewind(6);
    history.push(row(8, 0.5));
    assert_eq!(history.complete_until(4), 6);
    assert!(history.loss(7).is_nan());
}

#[tokio::test]
async fn a_file_has_every_step_that_its_name_says_and_what_is_missing_is_known() {
    let (_folder, run) = place();
    let mut history = History::default();
    for step in [4, 5, 9] {
        history.push(row(step, 0.5));
    }
    history.flush(&run, 10).await.unwrap();
    let files = run.list(FOLDER).await.unwrap();
    let names: Vec<_> = files.iter().map(|file| file.relative.as_str()).collect();
    assert_eq!(
        names,
        [
            "history/steps-000000000004-000000000005.parquet",
            "history/steps-000000000009-000000000009.parquet"
        ]
    );
    let rows = read_history(&run).await.unwrap();
    assert_eq!(missing_steps(&rows, 0, 10), [1..=3, 6..=8, 10..=10]);
    assert_eq!(missing_steps(&rows, 0, 8), [1..=3, 6..=8]);
    assert_eq!(missing_steps(&rows, 0, 4), [1..=3]);
    assert_eq!(missing_steps(&[], 0, 2), [1..=2]);
    assert!(missing_steps(&[], 0, 0).is_empty());
    let whole: Vec<_> = (1..=3).map(|step| row(step, 0.5)).collect();
    assert!(missing_steps(&whole, 0, 3).is_empty());
    assert_eq!(missing_steps(&whole, 0, 5), [4..=5]);
    // A fork has no figures of the steps before its own.
    assert_eq!(missing_steps(&rows, 3, 8), [6..=8]);
    assert!(missing_steps(&[], 4, 4).is_empty());
}

#[tokio::test]
async fn what_can_be_read_is_read_beside_files_that_are_damaged_or_too_large() {
    let (folder, run) = place();
    let mut history = History::default();
    (1..=9).for_each(|step| history.push(row(step, 0.5)));
    for last in [3, 6, 9] {
        history.flush(&run, last).await.unwrap();
    }
    let file = |steps: &str| format!("history/steps-{steps}.parquet");
    let damaged = file("000000000001-000000000003");
    run.put(&damaged, "no parquet").await.unwrap();
    let large = file("000000000010-000000000011");
    run.put(&large, "").await.unwrap();
    let path = folder.path().join(&large);
    let sparse = std::fs::File::options().write(true).open(path).unwrap();
    sparse.set_len(1 << 30).unwrap();
    let kept = read_kept_history(&run).await.unwrap();
    let steps: Vec<_> = kept.rows.iter().map(|row| row.step).collect();
    assert_eq!(steps, [4, 5, 6, 7, 8, 9]);
    let [first, second] = &kept.damaged[..] else {
        panic!("{:?}", kept.damaged)
    };
    assert!(first.contains(&damaged), "{first}");
    assert!(second.contains("1073741824 bytes"), "{second}");
    assert!(read_history(&run).await.is_err());
}

#[tokio::test]
async fn a_damaged_file_is_named() {
    let (_folder, run) = place();
    run.put(
        "history/steps-000000000001-000000000002.parquet",
        Bytes::from_static(b"no parquet"),
    )
    .await
    .unwrap();
    let error = read_history(&run).await.unwrap_err().to_string();
    assert!(error.contains("steps-000000000001"), "{error}");
}

#[tokio::test]
async fn figures_of_later_steps_are_taken_off_and_the_others_stay() {
    let (_folder, run) = place();
    let mut history = History::default();
    (1..=9).for_each(|step| history.push(row(step, 0.5)));
    for until in [3, 6, 9] {
        history.flush(&run, until).await.unwrap();
    }
    for _ in 0..2 {
        trim_history(&run, 5).await.unwrap();
        let kept: Vec<_> = (1..=5).map(|step| row(step, 0.5)).collect();
        assert_eq!(read_history(&run).await.unwrap(), kept);
    }
    let files = run.list(FOLDER).await.unwrap();
    let names: Vec<_> = files.iter().map(|file| steps_of(&file.relative)).collect();
    assert_eq!(names, [Some((1, 3)), Some((4, 5))]);
    trim_history(&run, 0).await.unwrap();
    assert!(read_history(&run).await.unwrap().is_empty());
}

#[test]
fn only_a_file_of_figures_tells_steps() {
    let name = "history/steps-000000000004-000000000006.parquet";
    assert_eq!(steps_of(name), Some((4, 6)));
    for other in [
        "history/notes.parquet",
        "history/steps-4.parquet",
        "history/steps-a-b.parquet",
        "checkpoints/steps-000000000004-000000000006.parquet",
    ] {
        assert_eq!(steps_of(other), None, "{other}");
    }
}
