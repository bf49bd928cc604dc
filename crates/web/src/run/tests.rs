//! A view follows its store: what is new comes in once, what is gone goes, what is damaged is noted.

use super::*;
use fratmae_checkpoint::{CoordinatorMark, Record};
use fratmae_telemetry::Account;

fn place() -> (tempfile::TempDir, Run) {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::open(folder.path().to_str().unwrap()).unwrap();
    let run = Run::new(
        "r".to_owned(),
        "r".to_owned(),
        location,
        true,
        "e".to_owned(),
    );
    (folder, run)
}

fn rank_row(step: u64) -> RankRow {
    RankRow {
        step,
        accounts: [(Account::Forward, 1_000_000)].into_iter().collect(),
        ..RankRow::default()
    }
}

async fn read(run: &Run) {
    let mut loaded = run.loaded.lock().await;
    run.read_history(&mut loaded, |_| true).await.unwrap();
    run.read_journal(&mut loaded).await.unwrap();
}

fn columns(run: &Run) -> usize {
    let measure = crate::ranks::Measure::Step;
    run.view()
        .ranks
        .map(measure, false, 0..=u64::MAX, 512)
        .first
        .len()
}

#[tokio::test]
async fn a_file_that_grows_is_read_again_and_one_that_goes_takes_its_rows_along() {
    let (_folder, run) = place();
    read(&run).await;
    let file = RankFile {
        first: 1,
        generation: 1,
        fence: 1,
    };
    let store = run.location();
    for steps in [2, 3] {
        let rows: Vec<_> = (1..=steps).map(rank_row).collect();
        store
            .put(&file.object(), Row::encode(&rows).unwrap())
            .await
            .unwrap();
        read(&run).await;
        assert_eq!(columns(&run) as u64, steps);
    }
    let times = TimeFile {
        fence: 1,
        number: 1,
    };
    let ledger = Row::encode(&[LedgerRow::default()]).unwrap();
    store.put(&times.of_ledger(), ledger).await.unwrap();
    store.delete(&file.object()).await.unwrap();
    read(&run).await;
    assert_eq!((columns(&run), run.view().times().0.len()), (0, 1));
}

#[tokio::test]
async fn what_is_damaged_is_noted_until_it_is_whole_and_the_rest_is_shown() {
    let (_folder, run) = place();
    let store = run.location();
    let [sound, damaged] = [1, 1001].map(|first| RankFile {
        first,
        generation: 1,
        fence: 1,
    });
    store
        .put(&sound.object(), Row::encode(&[rank_row(1)]).unwrap())
        .await
        .unwrap();
    store.put(&damaged.object(), "no parquet").await.unwrap();
    store
        .put(
            "history/steps-000000000001-000000000002.parquet",
            "nor this",
        )
        .await
        .unwrap();
    read(&run).await;
    assert_eq!((columns(&run), run.view().notes.len()), (1, 2));
    store
        .put(&damaged.object(), Row::encode(&[rank_row(1001)]).unwrap())
        .await
        .unwrap();
    read(&run).await;
    assert!(run.view().notes.keys().all(|file| file.contains("steps-")));
}

#[tokio::test]
async fn records_come_in_once_and_each_is_told() {
    let (_folder, run) = place();
    let mark = CoordinatorMark {
        address: "http://h:1".to_owned(),
        version: "v".to_owned(),
        nonce: "n".to_owned(),
        host: String::new(),
        step: None,
    };
    let (mut journal, _) = Journal::take_over(run.location(), mark).await.unwrap();
    for step in 1..4 {
        let record = Record::Commit {
            step,
            generation: 1,
            digests: fratmae_checkpoint::CommitDigests::default(),
        };
        journal.append(record).await.unwrap();
        read(&run).await;
        read(&run).await;
    }
    let view = run.view();
    let numbers: Vec<_> = view.items.iter().map(|item| item.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    assert!(view.items.iter().all(|item| item.unix_ms.is_some()));
    assert_eq!(view.changes.after("e-0").unwrap().records, [0, 1, 2, 3]);
}
