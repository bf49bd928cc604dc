//! Tests of finding the newest good checkpoint.

use super::*;
use crate::error::Action;
use crate::layout::part_name;
use crate::tests::{Fault, FaultyStore, damage, write_sample};
use fratmae_control::{Generation, Step};

fn steps(ids: &[CheckpointId]) -> Vec<u64> {
    ids.iter().map(|id| id.step.get()).collect()
}

#[tokio::test]
async fn list_is_in_order_of_age_and_skips_folders_without_manifest() {
    let (_, run) = FaultyStore::new();
    for (step, generation) in [(30, 1), (4, 1), (200, 9), (200, 2)] {
        write_sample(&run, step, generation).await.unwrap();
    }
    let uncommitted = write_sample(&run, 300, 1).await.unwrap();
    run.delete(&uncommitted.id().manifest()).await.unwrap();
    run.put("checkpoints/readme.txt", "x").await.unwrap();
    let ids = list(&run).await.unwrap();
    assert_eq!(steps(&ids), [4, 30, 200, 200]);
    assert_eq!(ids[3].generation.get(), 9);
    assert_eq!(
        newest_good(&run)
            .await
            .unwrap()
            .manifest
            .unwrap()
            .generation,
        9
    );
}

#[test]
fn the_newest_is_the_one_that_was_committed_last() {
    let id = |step, generation| CheckpointId {
        step: Step::new(step),
        generation: Generation::new(generation),
    };
    assert_eq!(newest_of(&[]), None);
    assert_eq!(newest_of(&[id(20, 0), id(40, 1)]), Some(id(40, 1)));
    // The one at 60 was damaged: the run went on from 40.
    assert_eq!(
        newest_of(&[id(40, 1), id(50, 3), id(60, 1)]),
        Some(id(50, 3))
    );
}

#[tokio::test]
async fn empty_run_has_no_checkpoint() {
    let (_, run) = FaultyStore::new();
    assert_eq!(list(&run).await.unwrap(), []);
    let newest = newest_good(&run).await.unwrap();
    assert!(newest.manifest.is_none() && newest.damaged.is_empty());
}

#[tokio::test]
async fn damaged_checkpoints_are_walked_back_over_and_named() {
    let (_, run) = FaultyStore::new();
    for step in 1..=4 {
        write_sample(&run, step, 1).await.unwrap();
    }
    let ids = list(&run).await.unwrap();
    damage(&run, &ids[3].object(&part_name(1))).await;
    damage(&run, &ids[2].manifest()).await;
    run.delete(&ids[1].object(&part_name(0))).await.unwrap();
    let newest = newest_good(&run).await.unwrap();
    assert_eq!(newest.manifest.unwrap().step, 1);
    let passed: Vec<_> = newest.damaged.iter().map(|(id, _)| *id).collect();
    assert_eq!(steps(&passed), [4, 3, 2]);
    let messages: Vec<_> = newest.damaged.iter().map(|(_, e)| e.to_string()).collect();
    assert!(
        messages[0].contains("part-00001.safetensors is damaged"),
        "{messages:?}"
    );
    assert!(
        messages[1].contains("manifest.json is damaged"),
        "{messages:?}"
    );
    assert!(messages[2].contains("part-00000.safetensors is damaged: it is missing"));
}

#[tokio::test]
async fn store_that_is_down_is_not_damage() {
    let (store, run) = FaultyStore::new();
    write_sample(&run, 1, 1).await.unwrap();
    store.heal();
    newest_good(&run).await.unwrap();
    for operation in 0..store.count() {
        store.plan(operation, Fault::Die);
        let error = newest_good(&run).await.unwrap_err();
        assert_eq!(
            error.action(),
            Action::Retry,
            "operation {operation}: {error}"
        );
        store.heal();
    }
}

#[tokio::test]
async fn missing_manifest_says_the_checkpoint_was_never_committed() {
    let (_, run) = FaultyStore::new();
    let manifest = write_sample(&run, 1, 1).await.unwrap();
    assert_eq!(load_manifest(&run, manifest.id()).await.unwrap(), manifest);
    run.delete(&manifest.id().manifest()).await.unwrap();
    let error = load_manifest(&run, manifest.id()).await.unwrap_err();
    assert!(
        matches!(error, CheckpointError::NotCommitted { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn checkpoint_of_another_job_is_passed_over_and_says_what_differs() {
    let (_, run) = FaultyStore::new();
    let own = write_sample(&run, 1, 1).await.unwrap();
    write_sample(&run, 2, 1).await.unwrap();
    let own = Lineage {
        config_digest: Some(own.config_digest),
        data_digest: Some(own.data_digest),
        seed: Some(own.seed),
    };
    let all = BTreeSet::new();
    let newest = newest_good_but(&run, &own, &all).await.unwrap();
    assert_eq!(newest.manifest.unwrap().step, 2);
    let other = || Some("another".to_owned());
    for (job, said) in [
        (
            Lineage {
                config_digest: other(),
                ..own.clone()
            },
            "its config digest is",
        ),
        (
            Lineage {
                data_digest: other(),
                ..own.clone()
            },
            "its data digest is",
        ),
        (
            Lineage {
                seed: Some(12345),
                ..own.clone()
            },
            "this run's is 12345",
        ),
    ] {
        let newest = newest_good_but(&run, &job, &all).await.unwrap();
        assert!(newest.manifest.is_none());
        let lines: Vec<_> = newest.damaged.iter().map(|(_, e)| e.to_string()).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines
                .iter()
                .all(|line| line.contains("is of another job") && line.contains(said)),
            "{lines:?}"
        );
    }
}
