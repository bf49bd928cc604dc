//! Tests of writing a checkpoint while the store fails at every point.

use super::*;
use crate::error::Action;
use crate::tests::{Fault, FaultyStore, manifest, sample, write_sample};
use crate::{newest_good, plan_parts, restore, verify};

#[tokio::test]
async fn upload_whose_answer_was_lost_is_our_own_when_repeated() {
    let (store, run) = FaultyStore::new();
    let (_, tensors, state) = sample(12, 3);
    write_sample(&run, 1, 1).await.unwrap();
    let operations = store.count() - 1;
    for operation in 0..=operations {
        let (store, run) = FaultyStore::new();
        store.plan(operation, Fault::LoseAnswer);
        let error = write_sample(&run, 12, 3).await.unwrap_err();
        assert_eq!(
            error.action(),
            Action::Retry,
            "operation {operation}: {error}"
        );
        let manifest = write_sample(&run, 12, 3).await.unwrap();
        assert_eq!(restore(&run, &manifest, &tensors).await.unwrap(), state);
    }
}

#[tokio::test]
async fn a_checkpoint_whose_parts_are_not_as_reported_is_not_committed() {
    let (id, tensors, state) = sample(12, 3);
    let plans = plan_parts(&tensors, 64);
    for spoilt in 0..3 {
        let (_, run) = FaultyStore::new();
        let mut manifest = manifest(12, 3);
        manifest.parts.clear();
        for plan in &plans {
            let part = write_part(&run, id, plan, &state).await.unwrap();
            manifest.parts.push(part);
        }
        let last = manifest.parts.last_mut().unwrap();
        match spoilt {
            0 => last.bytes += 1,
            1 => run.delete(&id.object(&last.name)).await.unwrap(),
            _ => {
                let index = last.index + 1;
                let name = crate::layout::part_name(index);
                let more = PartRecord {
                    index,
                    name,
                    ..last.clone()
                };
                manifest.parts.push(more);
            }
        }
        let error = commit(&run, &manifest).await.unwrap_err();
        assert!(error.is_damage(), "{error}");
        assert_eq!(crate::list(&run).await.unwrap(), []);
    }
}

#[tokio::test]
async fn refused_upload_succeeds_when_repeated() {
    let (store, run) = FaultyStore::new();
    store.plan(1, Fault::Refuse);
    write_sample(&run, 12, 3).await.unwrap_err();
    let manifest = write_sample(&run, 12, 3).await.unwrap();
    assert_eq!(verify(&run, manifest.id()).await.unwrap(), manifest);
}

#[tokio::test]
async fn killed_at_any_operation_leaves_the_old_checkpoint_or_the_new_one() {
    let (counting, run) = FaultyStore::new();
    write_sample(&run, 2, 2).await.unwrap();
    let operations = counting.count();
    assert!(
        operations > 3,
        "the sample has too few parts to be killed between"
    );
    let mut seen = Vec::new();
    for operation in 0..operations {
        for fault in [Fault::Die, Fault::DieAfter] {
            let (store, run) = FaultyStore::new();
            let old = write_sample(&run, 1, 1).await.unwrap();
            store.plan(operation, fault);
            write_sample(&run, 2, 2).await.unwrap_err();
            store.heal();
            let newest = newest_good(&run).await.unwrap();
            assert!(
                newest.damaged.is_empty(),
                "half a checkpoint was seen: {newest:?}"
            );
            let found = newest.manifest.unwrap();
            let (_, tensors, state) = sample(found.step, found.generation);
            assert_eq!(restore(&run, &found, &tensors).await.unwrap(), state);
            seen.push(found.step != old.step);
        }
    }
    let committed = seen.iter().filter(|is_new| **is_new).count();
    assert_eq!(
        committed, 1,
        "only the kill after the manifest leaves the new one"
    );
    assert_eq!(seen.last(), Some(&true));
}

#[tokio::test]
async fn part_with_other_bytes_is_a_conflict_and_stays() {
    let (_, run) = FaultyStore::new();
    let (id, tensors, mut state) = sample(12, 3);
    let plan = &plan_parts(&tensors, 64)[0];
    let record = write_part(&run, id, plan, &state).await.unwrap();
    let before = run.get(&id.object(&record.name)).await.unwrap();
    state.parameters[0] += 1.0;
    let error = write_part(&run, id, plan, &state).await.unwrap_err();
    assert!(matches!(error, CheckpointError::Conflict { .. }), "{error}");
    assert!(error.to_string().contains(&record.name), "{error}");
    assert_eq!(run.get(&id.object(&record.name)).await.unwrap(), before);
}

#[tokio::test]
async fn checkpoint_committed_under_a_newer_fence_ends_this_coordinator_and_under_an_older_one_does_not()
 {
    let (_, run) = FaultyStore::new();
    let of = manifest(12, 3);
    let part = of.id().object(&of.parts[0].name);
    run.put(&part, "1").await.unwrap();
    let theirs = Manifest {
        fence: 2,
        ..manifest(12, 3)
    };
    commit(&run, &theirs).await.unwrap();
    commit(&run, &theirs).await.unwrap();
    let older = Manifest {
        fence: 1,
        ..manifest(12, 3)
    };
    let error = commit(&run, &older).await.unwrap_err();
    assert_eq!(error.action(), Action::Fenced, "{error}");
    let newer = Manifest {
        fence: 3,
        ..manifest(12, 3)
    };
    commit(&run, &newer).await.unwrap();
    let other = Manifest { seed: 8, ..theirs };
    let error = commit(&run, &other).await.unwrap_err();
    assert!(matches!(error, CheckpointError::Conflict { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn encoding_steps_aside_on_a_runtime_with_threads() {
    let (_, run) = FaultyStore::new();
    write_sample(&run, 12, 3).await.unwrap();
}
