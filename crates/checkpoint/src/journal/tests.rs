//! Tests of the journal: order, taking over, fencing, lost answers.

use super::*;
use crate::error::Action;
use crate::journal::record::CommitDigests;
use crate::tests::{Fault, FaultyStore, damage};

fn mark(nonce: &str) -> CoordinatorMark {
    CoordinatorMark {
        address: format!("http://{nonce}:1"),
        version: "0.1.0".to_owned(),
        nonce: nonce.to_owned(),
        host: String::new(),
        step: None,
    }
}

fn commit(step: u64) -> Record {
    Record::Commit {
        step,
        generation: 1,
        digests: CommitDigests::default(),
    }
}

async fn taken_over(run: &Location, nonce: &str) -> Journal {
    Journal::take_over(run, mark(nonce)).await.unwrap().0
}

async fn steps(run: &Location) -> Vec<u64> {
    let entries = Journal::replay(run).await.unwrap();
    let step = |entry: Entry| match entry.record {
        Record::Commit { step, .. } => Some(step),
        _ => None,
    };
    entries.into_iter().filter_map(step).collect()
}

#[tokio::test]
async fn records_come_back_in_order_under_contiguous_numbers() {
    let (_, run) = FaultyStore::new();
    let mut journal = taken_over(&run, "a").await;
    for step in 1..40 {
        journal.append(commit(step)).await.unwrap();
    }
    let entries = Journal::replay(&run).await.unwrap();
    let numbers: Vec<_> = entries.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
    assert_eq!(
        entries[0].record,
        Record::Fence {
            fence: 1,
            mark: mark("a")
        }
    );
    assert_eq!(steps(&run).await, (1..40).collect::<Vec<_>>());
    let later = Journal::read_from(&run, 38).await.unwrap().entries;
    assert_eq!(later, entries[38..]);
    assert!(
        Journal::read_from(&run, 40)
            .await
            .unwrap()
            .entries
            .is_empty()
    );
    assert!(run.get("journal/00000000000000000039.json").await.is_ok());
}

#[tokio::test]
async fn next_coordinator_gets_the_records_and_a_higher_fence() {
    let (_, run) = FaultyStore::new();
    let mut first = taken_over(&run, "a").await;
    first.append(commit(1)).await.unwrap();
    let (second, found) = Journal::take_over(&run, mark("b")).await.unwrap();
    assert_eq!((first.fence().get(), second.fence().get()), (1, 2));
    let committed: Vec<_> = found.committed().iter().map(|id| id.step.get()).collect();
    assert_eq!(committed, [1]);
    assert_eq!(found.writer().fence(), second.fence());
}

#[tokio::test]
async fn old_coordinator_is_fenced_and_told_by_whom() {
    let (_, run) = FaultyStore::new();
    let mut old = taken_over(&run, "old").await;
    let mut new = taken_over(&run, "new").await;
    let error = old.append(commit(1)).await.unwrap_err();
    assert_eq!(error.action(), Action::Fenced);
    let message = error.to_string();
    assert!(
        message.contains("http://new:1") && message.contains("fence 2"),
        "{message}"
    );
    assert!(
        message.contains("mem://run/journal/00000000000000000001.json"),
        "{message}"
    );
    new.append(commit(1)).await.unwrap();
    assert_eq!(
        old.append(commit(1)).await.unwrap_err().action(),
        Action::Fenced
    );
    assert_eq!(steps(&run).await, [1]);
}

#[tokio::test]
async fn two_coordinators_that_write_the_same_record_are_still_two() {
    let (_, run) = FaultyStore::new();
    let mut old = taken_over(&run, "old").await;
    let fenced = Entry {
        number: 1,
        fence: 1,
        nonce: "other".to_owned(),
        record: commit(1),
    };
    let object = journal_record(1);
    run.create(&object, fenced.encode(&object).unwrap())
        .await
        .unwrap();
    assert_eq!(
        old.append(commit(1)).await.unwrap_err().action(),
        Action::Fenced
    );
}

#[tokio::test]
async fn append_whose_answer_was_lost_is_our_own_when_repeated() {
    let (store, run) = FaultyStore::new();
    let mut journal = taken_over(&run, "a").await;
    store.plan(0, Fault::LoseAnswer);
    let error = journal.append(commit(1)).await.unwrap_err();
    assert_eq!(error.action(), Action::Retry);
    journal.append(commit(1)).await.unwrap();
    journal.append(commit(2)).await.unwrap();
    assert_eq!(steps(&run).await, [1, 2]);
}

#[tokio::test]
async fn lost_answer_followed_by_another_record_does_not_fence_ourselves() {
    let (store, run) = FaultyStore::new();
    let mut journal = taken_over(&run, "a").await;
    store.plan(0, Fault::LoseAnswer);
    journal.append(commit(1)).await.unwrap_err();
    journal.append(commit(2)).await.unwrap();
    assert_eq!(steps(&run).await, [1, 2]);
}

#[tokio::test]
async fn take_over_disturbed_at_any_operation_succeeds_when_repeated() {
    for fault in [Fault::Refuse, Fault::LoseAnswer] {
        let (store, run) = FaultyStore::new();
        let mut first = taken_over(&run, "a").await;
        first.append(commit(1)).await.unwrap();
        for operation in 0..4 {
            store.plan(operation, fault);
            let disturbed = Journal::take_over(&run, mark("b")).await;
            assert_eq!(
                disturbed.unwrap_err().action(),
                Action::Retry,
                "{fault:?} {operation}"
            );
            let again = taken_over(&run, "c").await;
            let newest = Journal::newest_coordinator(&run).await.unwrap();
            let fence = again.fence().get();
            assert!(matches!(&newest[..], [Record::Fence { fence: its, .. }] if *its == fence));
        }
        assert_eq!(
            first.append(commit(2)).await.unwrap_err().action(),
            Action::Fenced
        );
        assert_eq!(steps(&run).await, [1]);
    }
}

#[tokio::test]
async fn coordinators_that_take_over_at_once_get_different_fences() {
    let (_, run) = FaultyStore::new();
    let rivals = (0..4).map(|rival| {
        let run = run.clone();
        async move { Journal::take_over(&run, mark(&format!("r{rival}"))).await }
    });
    let outcomes = futures::future::join_all(rivals).await;
    let mut fences: Vec<_> = outcomes
        .into_iter()
        .map(|o| o.unwrap().0.fence().get())
        .collect();
    fences.sort_unstable();
    assert_eq!(fences, [1, 2, 3, 4]);
}

#[tokio::test]
async fn old_coordinator_can_find_out_without_writing() {
    let (_, run) = FaultyStore::new();
    let mut old = taken_over(&run, "old").await;
    old.ensure_held().await.unwrap();
    taken_over(&run, "new").await;
    let error = old.ensure_held().await.unwrap_err();
    assert_eq!(error.action(), Action::Fenced);
    assert_eq!(run.list(JOURNAL).await.unwrap().len(), 2);
}

#[tokio::test]
async fn newest_fence_and_what_followed_it_are_found() {
    let (_, run) = FaultyStore::new();
    assert!(Journal::newest_coordinator(&run).await.unwrap().is_empty());
    taken_over(&run, "a").await;
    let mut journal = taken_over(&run, "b").await;
    journal.append(commit(4)).await.unwrap();
    let fence = Record::Fence {
        fence: 2,
        mark: mark("b"),
    };
    let newest = Journal::newest_coordinator(&run).await.unwrap();
    assert_eq!(newest, [fence, commit(4)]);
}

#[tokio::test]
async fn missing_record_is_named() {
    let (_, run) = FaultyStore::new();
    let mut journal = taken_over(&run, "a").await;
    for step in 1..4 {
        journal.append(commit(step)).await.unwrap();
    }
    run.delete(&journal_record(2)).await.unwrap();
    let object = run.url_of(&journal_record(2));
    let error = Journal::take_over(&run, mark("b")).await.unwrap_err();
    assert_eq!(error, CheckpointError::Gap { object });
}

#[tokio::test]
async fn damaged_record_is_named_and_nothing_is_written() {
    let (_, run) = FaultyStore::new();
    let mut journal = taken_over(&run, "a").await;
    for step in 1..3 {
        journal.append(commit(step)).await.unwrap();
    }
    damage(&run, &journal_record(1)).await;
    let message = Journal::take_over(&run, mark("b"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("journal/00000000000000000001.json is damaged"),
        "{message}"
    );
    assert!(message.contains("move the folder `journal`"), "{message}");
    assert_eq!(run.list(JOURNAL).await.unwrap().len(), 3);
}

/// What a power cut leaves of a record: nothing, zeros, or its beginning.
async fn tear(run: &Location, number: u64, kept: usize) {
    let name = journal_record(number);
    let whole = run.get(&name).await.unwrap();
    let torn = match kept {
        0 => Bytes::new(),
        1 => Bytes::from(vec![0; whole.len()]),
        kept => whole.slice(..kept),
    };
    run.put(&name, torn).await.unwrap();
}

#[tokio::test]
async fn last_record_of_a_coordinator_that_is_torn_is_passed_over_by_all_that_come() {
    for kept in [0, 1, 40] {
        let (_, run) = FaultyStore::new();
        let mut journal = taken_over(&run, "a").await;
        for step in 1..3 {
            journal.append(commit(step)).await.unwrap();
        }
        tear(&run, 2, kept).await;
        let torn = Journal::read(&run).await.unwrap().torn;
        let [CheckpointError::DamagedRecord { object, .. }] = &torn[..] else {
            panic!("{torn:?}")
        };
        assert!(object.ends_with("00000000000000000002.json"), "{object}");
        assert_eq!(Journal::newest_coordinator(&run).await.unwrap().len(), 2);
        let mut next = taken_over(&run, "b").await;
        assert_eq!(next.fence().get(), 3, "the torn one may have been a fence");
        next.append(commit(3)).await.unwrap();
        assert_eq!(steps(&run).await, [1, 3]);
        let last = taken_over(&run, "c").await;
        assert!(last.fence() > next.fence());
    }
}

#[tokio::test]
async fn several_torn_records_at_the_end_are_passed_over_and_the_first_fence_too() {
    let (_, run) = FaultyStore::new();
    let mut journal = taken_over(&run, "a").await;
    journal.append(commit(1)).await.unwrap();
    for number in 0..2 {
        tear(&run, number, 0).await;
    }
    let replayed = Journal::read(&run).await.unwrap();
    assert_eq!((replayed.entries.len(), replayed.torn.len()), (0, 2));
    taken_over(&run, "b").await.append(commit(2)).await.unwrap();
    assert_eq!(steps(&run).await, [2]);
}

#[tokio::test]
async fn only_one_takes_the_fence_after_what_both_have_read() {
    let (_, run) = FaultyStore::new();
    let [first, second] = [Journal::read(&run).await, Journal::read(&run).await];
    let taken = Journal::take_fence(&run, mark("a"), first.unwrap().state().writer()).await;
    assert!(taken.unwrap().is_some());
    let taken = Journal::take_fence(&run, mark("b"), second.unwrap().state().writer()).await;
    assert!(taken.unwrap().is_none(), "who comes second asks the first");
    assert_eq!(run.list(JOURNAL).await.unwrap().len(), 1);
}

#[tokio::test]
async fn run_that_was_removed_is_noticed_without_writing() {
    let (_, run) = FaultyStore::new();
    let mut journal = taken_over(&run, "a").await;
    journal.append(commit(1)).await.unwrap();
    journal.ensure_held().await.unwrap();
    for number in 0..2 {
        run.delete(&journal_record(number)).await.unwrap();
    }
    let error = journal.ensure_held().await.unwrap_err();
    assert!(error.to_string().contains("was removed while"), "{error}");
    assert_eq!(error.action(), Action::Fatal);
    assert_eq!(run.list(JOURNAL).await.unwrap(), []);
}

#[tokio::test]
async fn journal_in_files_is_fenced_too() {
    let folder = tempfile::tempdir().unwrap();
    let run = Location::open(&folder.path().to_string_lossy()).unwrap();
    let mut old = taken_over(&run, "old").await;
    old.append(commit(1)).await.unwrap();
    let mut new = taken_over(&run, "new").await;
    new.append(commit(2)).await.unwrap();
    assert_eq!(
        old.append(commit(2)).await.unwrap_err().action(),
        Action::Fenced
    );
    assert_eq!(steps(&run).await, [1, 2]);
}

#[tokio::test]
async fn whoever_leads_is_found_in_few_requests_however_long_the_journal_is() {
    let (store, run) = FaultyStore::new();
    taken_over(&run, "a").await.append(commit(1)).await.unwrap();
    let mut journal = taken_over(&run, "b").await;
    for step in 2..1000 {
        journal.append(commit(step)).await.unwrap();
    }
    // The last record of the coordinator before is torn.
    tear(&run, 1, 0).await;
    let before = store.count();
    let newest = Journal::newest_coordinator(&run).await.unwrap();
    let requests = store.count() - before;
    let fence = Record::Fence {
        fence: 2,
        mark: mark("b"),
    };
    assert_eq!(newest.first(), Some(&fence));
    assert_eq!(newest.last(), Some(&commit(999)));
    assert!(requests <= 1 + 2 * FEW + 10, "{requests}");
}

#[tokio::test]
async fn what_follows_a_fence_at_once_is_found_behind_many_records() {
    let (_, run) = FaultyStore::new();
    let mut journal = taken_over(&run, "a").await;
    let back = Record::RolledBack {
        step: 3,
        generation: 1,
    };
    journal.append(back.clone()).await.unwrap();
    for step in 0..100 {
        journal.append(commit(step)).await.unwrap();
    }
    let newest = Journal::newest_coordinator(&run).await.unwrap();
    assert!(matches!(&newest[..2], [Record::Fence { .. }, second] if *second == back));
}

#[tokio::test]
async fn a_record_that_is_too_large_is_damaged_and_not_read() {
    let (_, run) = FaultyStore::new();
    taken_over(&run, "a").await;
    run.put(&journal_record(1), vec![b' '; 9 << 20])
        .await
        .unwrap();
    let torn = Journal::read(&run).await.unwrap().torn;
    let line = torn[0].to_string();
    assert!(line.contains("9437184 bytes"), "{line}");
}
