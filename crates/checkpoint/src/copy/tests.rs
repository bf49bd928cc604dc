//! Tests of copying a checkpoint into another run.

use super::*;
use crate::layout::CheckpointObjects as _;
use crate::tests::{FaultyStore, damage, sample, write_sample};
use crate::{commit, restore, verify};

fn first(step: u64) -> CheckpointId {
    sample(step, 0).0
}

#[tokio::test]
async fn a_copy_restores_to_the_same_state_and_may_be_made_again() {
    let ((_, from), (_, to)) = (FaultyStore::new(), FaultyStore::new());
    let manifest = write_sample(&from, 12, 3).await.unwrap();
    let id = first(12);
    for _ in 0..2 {
        copy_parts(&from, &manifest, &to, id).await.unwrap();
    }
    assert!(verify(&to, id).await.is_err(), "parts alone commit nothing");
    let copied = Manifest {
        generation: 0,
        ..manifest
    };
    commit(&to, &copied).await.unwrap();
    let (_, tensors, state) = sample(12, 3);
    let manifest = verify(&to, id).await.unwrap();
    assert_eq!(restore(&to, &manifest, &tensors).await.unwrap(), state);
}

#[tokio::test]
async fn a_damaged_or_missing_part_is_named_and_not_copied() {
    let ((_, from), (_, to)) = (FaultyStore::new(), FaultyStore::new());
    let manifest = write_sample(&from, 12, 3).await.unwrap();
    let part = manifest.id().object(&manifest.parts[1].name);
    damage(&from, &part).await;
    let error = copy_parts(&from, &manifest, &to, first(12)).await;
    let error = error.unwrap_err();
    assert!(
        error.is_damage() && error.to_string().contains(&part),
        "{error}"
    );
    let copied = first(12).object(&manifest.parts[1].name);
    assert_eq!(to.get_if_present(&copied).await.unwrap(), None);
    from.delete(&part).await.unwrap();
    let error = copy_parts(&from, &manifest, &to, first(12)).await;
    assert!(error.unwrap_err().to_string().contains("it is missing"));
}
