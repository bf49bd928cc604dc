//! Tests of giving up and deleting checkpoints, while the store fails at every point and while others read.

use std::time::Duration;

use super::*;
use crate::layout::CheckpointObjects as _;
use crate::sweep::sweep;
use crate::tests::{Fault, FaultyStore, sample, write_sample};
use crate::{
    CheckpointError, CommitDigests, CoordinatorMark, Journal, Manifest, list, newest_good, restore,
};
use fratmae_control::Step;
use fratmae_store::Location;

const DELAY: Duration = Duration::from_secs(600);

const KEPT: [u64; 3] = [4, 5, 6];

fn id(step: u64, generation: u64) -> CheckpointId {
    sample(step, generation).0
}

fn mark(nonce: &str) -> CoordinatorMark {
    CoordinatorMark {
        address: "http://host:1".to_owned(),
        version: "0.1.0".to_owned(),
        nonce: nonce.to_owned(),
        host: String::new(),
        step: None,
    }
}

/// A run with checkpoints of steps 1 to 6 in generation 2, a half of one in generation 1, and one being written.
async fn run() -> (std::sync::Arc<FaultyStore>, Location) {
    let (store, run) = FaultyStore::new();
    let (mut journal, _) = Journal::take_over(&run, mark("first")).await.unwrap();
    for step in 1..=6 {
        write_sample(&run, step, 2).await.unwrap();
        let record = Record::commit(id(step, 2), CommitDigests::default());
        journal.append(record).await.unwrap();
    }
    write_sample(&run, 7, 1).await.unwrap();
    write_sample(&run, 7, 2).await.unwrap();
    for id in [id(7, 1), id(7, 2)] {
        run.delete(&id.manifest()).await.unwrap();
    }
    (store, run)
}

/// A coordinator that takes over, and collects twice, the second time after the delay.
async fn collect(run: &Location, nonce: &str) -> Result<(), CheckpointError> {
    let (mut journal, state) = Journal::take_over(run, mark(nonce)).await?;
    let now = Instant::now();
    let retention = Retention { last: 2, every: 4 };
    let mut collector = Collector::new(retention, DELAY);
    state
        .committed()
        .iter()
        .for_each(|id| collector.committed(*id));
    state
        .removed()
        .iter()
        .for_each(|id| collector.removed(*id, now));
    for time in [now, now, now + DELAY] {
        if let Some(id) = collector.to_verify() {
            crate::verify(run, id).await?;
            collector.verified(id);
        }
        for (id, record) in collector.to_remove(Generation::new(2)) {
            journal.append(record).await?;
            collector.removed(id, time);
        }
        let swept = sweep(run, &collector.work(time, Generation::new(2))).await?;
        collector.swept(&swept);
    }
    Ok(())
}

async fn steps(run: &Location) -> Vec<u64> {
    let ids = list(run).await.unwrap();
    ids.iter().map(|id| id.step.get()).collect()
}

/// Every checkpoint that is listed is whole, and the newest is the one it was.
async fn check_readers(run: &Location) {
    for listed in list(run).await.unwrap() {
        crate::verify(run, listed).await.unwrap();
    }
    let newest = newest_good(run).await.unwrap();
    assert!(newest.damaged.is_empty(), "{newest:?}");
    let manifest = newest.manifest.unwrap();
    assert_eq!(manifest.step, 6);
    let (_, tensors, state) = sample(6, 2);
    assert_eq!(restore(run, &manifest, &tensors).await.unwrap(), state);
}

#[tokio::test]
async fn what_is_not_kept_goes_and_what_is_being_written_stays() {
    let (_, run) = run().await;
    collect(&run, "second").await.unwrap();
    assert_eq!(steps(&run).await, KEPT);
    check_readers(&run).await;
    let objects = run.list(crate::layout::CHECKPOINTS).await.unwrap();
    let owners = objects
        .iter()
        .map(|object| CheckpointId::of_object(&object.relative).unwrap().0);
    let owners: BTreeSet<_> = owners.collect();
    assert_eq!(owners, [id(4, 2), id(5, 2), id(6, 2), id(7, 2)].into());
}

#[tokio::test]
async fn killed_at_any_operation_readers_find_whole_checkpoints_and_the_next_one_ends_the_work() {
    let (counting, counted) = run().await;
    counting.heal();
    collect(&counted, "second").await.unwrap();
    let operations = counting.count();
    assert!(operations > 30, "{operations}");
    for operation in 0..operations {
        for fault in Fault::ALL {
            let (store, run) = run().await;
            store.plan(operation, fault);
            let ended = collect(&run, "second").await;
            store.heal();
            assert!(
                ended.is_err() || fault == Fault::LoseAnswer,
                "{operation} {fault:?}"
            );
            check_readers(&run).await;
            collect(&run, "third").await.unwrap();
            check_readers(&run).await;
            assert_eq!(steps(&run).await, KEPT, "{operation} {fault:?}");
            let left = run
                .list("checkpoints/step-000000000001.generation-000002")
                .await;
            assert_eq!(left.unwrap(), [], "{operation} {fault:?}");
        }
    }
}

#[tokio::test]
async fn whoever_has_read_the_manifest_finds_every_part_until_the_delay_is_over() {
    let (_, run) = run().await;
    let (_, tensors, state) = sample(1, 2);
    let manifest: Manifest = crate::load_manifest(&run, id(1, 2)).await.unwrap();
    let now = Instant::now();
    let current = Generation::new(2);
    let mut collector = Collector::new(Retention { last: 1, every: 0 }, DELAY);
    collector.removed(id(1, 2), now);
    for waited in [Duration::ZERO, DELAY / 2, DELAY - Duration::from_nanos(1)] {
        let swept = sweep(&run, &collector.work(now + waited, current))
            .await
            .unwrap();
        collector.swept(&swept);
        assert!(!steps(&run).await.contains(&1));
        assert_eq!(restore(&run, &manifest, &tensors).await.unwrap(), state);
    }
    sweep(&run, &collector.work(now + DELAY, current))
        .await
        .unwrap();
    let error = restore(&run, &manifest, &tensors).await.unwrap_err();
    assert!(error.is_damage(), "{error}");
    check_readers(&run).await;
}

#[test]
fn newest_never_goes_and_a_damaged_one_neither_counts_nor_goes() {
    let mut collector = Collector::new(Retention { last: 2, every: 0 }, DELAY);
    (1..=4).for_each(|step| collector.committed(id(step, 1)));
    collector.verified(id(3, 1));
    collector.spare(id(4, 1));
    let gone = |collector: &Collector| {
        let removed = collector.to_remove(Generation::new(9));
        removed.iter().map(|(id, _)| id.step).collect::<Vec<_>>()
    };
    assert_eq!(gone(&collector), [Step::new(1)]);
    collector.removed(id(1, 1), Instant::now());
    collector.swept(&Swept {
        found: (1..=4).map(|step| id(step, 1)).collect(),
    });
    assert_eq!(gone(&collector), []);
}

#[test]
fn left_behind_goes_once_its_generation_is_over_unless_it_was_committed_in_the_meantime() {
    let mut collector = Collector::new(Retention { last: 9, every: 0 }, DELAY);
    collector.swept(&Swept {
        found: [id(5, 3), id(6, 3)].into(),
    });
    collector.committed(id(6, 3));
    assert_eq!(collector.to_remove(Generation::new(3)), []);
    let gone = collector.to_remove(Generation::new(4));
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0].0, id(5, 3));
}

#[test]
fn the_last_checkpoint_that_is_known_to_be_whole_is_never_given_up() {
    let mut collector = Collector::new(Retention { last: 2, every: 0 }, DELAY);
    let gone = |collector: &Collector| -> Vec<u64> {
        let removed = collector.to_remove(Generation::new(1));
        removed.iter().map(|(id, _)| id.step.get()).collect()
    };
    (1..=2).for_each(|step| collector.committed(id(step, 1)));
    assert_eq!((collector.to_verify(), gone(&collector)), (None, vec![]));
    collector.committed(id(3, 1));
    let newest = |step| Some(id(step, 1));
    assert_eq!(
        (collector.to_verify(), gone(&collector)),
        (newest(3), vec![])
    );
    // The newest turns out to be damaged: then none is too many.
    collector.spare(id(3, 1));
    assert_eq!((collector.to_verify(), gone(&collector)), (None, vec![]));
    collector.committed(id(4, 1));
    collector.verified(id(4, 1));
    assert_eq!((collector.to_verify(), gone(&collector)), (None, vec![1]));
    // It stays while the newer ones are not known to be whole, however many there are.
    (5..=7).for_each(|step| collector.committed(id(step, 1)));
    assert_eq!(
        (collector.to_verify(), gone(&collector)),
        (newest(7), vec![1, 2, 5])
    );
    collector.verified(id(7, 1));
    assert_eq!(
        (collector.to_verify(), gone(&collector)),
        (None, vec![1, 2, 4, 5])
    );
    // It was whole, and is not any more.
    collector.spare(id(7, 1));
    assert_eq!(
        (collector.to_verify(), gone(&collector)),
        (newest(6), vec![])
    );
    collector.verified(id(6, 1));
    assert_eq!(collector.to_verify(), None, "the next one was read");
}
