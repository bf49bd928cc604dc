//! Tests of checking and restoring a checkpoint.

use super::*;
use crate::layout::part_name;
use crate::tests::{FaultyStore, damage, sample, write_sample};

fn tensor<'a>(tensors: &'a mut [TensorSpec], name: &str) -> &'a mut TensorSpec {
    tensors
        .iter_mut()
        .find(|tensor| tensor.name == name)
        .unwrap()
}

#[tokio::test]
async fn state_comes_back_whatever_the_parts() {
    let (id, tensors, state) = sample(12, 3);
    for part_bytes in [0, 40, 100, u64::MAX] {
        let (_, run) = FaultyStore::new();
        let mut records = Vec::new();
        for plan in crate::plan_parts(&tensors, part_bytes) {
            records.push(crate::write_part(&run, id, &plan, &state).await.unwrap());
        }
        let parts = records;
        let manifest = Manifest {
            parts,
            ..crate::tests::manifest(12, 3)
        };
        crate::commit(&run, &manifest).await.unwrap();
        assert_eq!(verify(&run, id).await.unwrap(), manifest);
        assert_eq!(restore(&run, &manifest, &tensors).await.unwrap(), state);
    }
}

#[tokio::test]
async fn checkpoint_in_files_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let run = Location::open(&folder.path().to_string_lossy()).unwrap();
    let manifest = write_sample(&run, 12, 3).await.unwrap();
    let (id, tensors, state) = sample(12, 3);
    let path = folder
        .path()
        .join("checkpoints/step-000000000012.generation-000003");
    assert!(path.join("part-00000.safetensors").is_file());
    assert!(path.join("manifest.json").is_file());
    assert_eq!(verify(&run, id).await.unwrap(), manifest);
    assert_eq!(restore(&run, &manifest, &tensors).await.unwrap(), state);
}

#[tokio::test]
async fn damaged_part_is_named_by_verify_and_restore() {
    let (_, run) = FaultyStore::new();
    let manifest = write_sample(&run, 12, 3).await.unwrap();
    let (id, tensors, _) = sample(12, 3);
    damage(&run, &id.object(&part_name(2))).await;
    let verified = verify(&run, id).await.unwrap_err();
    let restored = restore(&run, &manifest, &tensors).await.unwrap_err();
    for error in [verified, restored] {
        assert!(error.is_damage(), "{error}");
        assert!(
            error.to_string().contains("part-00002.safetensors"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn truncated_part_says_how_many_bytes_it_has() {
    let (_, run) = FaultyStore::new();
    let manifest = write_sample(&run, 12, 3).await.unwrap();
    let object = manifest.id().object(&part_name(0));
    let bytes = run.get(&object).await.unwrap();
    run.put(&object, bytes.slice(..bytes.len() - 1))
        .await
        .unwrap();
    let error = verify(&run, manifest.id()).await.unwrap_err();
    assert!(error.to_string().contains("bytes instead of"), "{error}");
}

#[tokio::test]
async fn checkpoint_of_another_model_names_the_tensor() {
    let (_, run) = FaultyStore::new();
    let manifest = write_sample(&run, 12, 3).await.unwrap();
    let (_, tensors, _) = sample(12, 3);
    let mut reshaped = tensors.clone();
    tensor(&mut reshaped, "a").shape = vec![3, 2];
    let mut renamed = tensors.clone();
    tensor(&mut renamed, "b.c").name = "b.e".to_owned();
    let mut more = tensors.clone();
    more.push(TensorSpec {
        name: "z".to_owned(),
        shape: vec![1],
        offset: 11,
    });
    let fewer = tensors[..2].to_vec();
    for (tensors, expected) in [
        (
            reshaped,
            "tensor model.a has shape [2, 3], the model's [3, 2]",
        ),
        (renamed, "tensor model.b.c is unknown"),
        (more, "tensor adamw.first_moment.z is missing"),
        (fewer, "tensor model.d is unknown"),
    ] {
        let message = restore(&run, &manifest, &tensors)
            .await
            .unwrap_err()
            .to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn checkpoint_without_a_moment_or_with_a_tensor_twice_is_damaged() {
    let (id, tensors, state) = sample(12, 3);
    let plans = crate::plan_parts(&tensors, u64::MAX);
    let mut lacking = plans.clone();
    lacking[0].tensors.pop();
    let mut doubled = plans.clone();
    let again = crate::PartPlan {
        index: 1,
        tensors: vec![plans[0].tensors[0].clone()],
    };
    doubled.push(again);
    for (plans, expected) in [
        (lacking, "is missing or misshapen"),
        (doubled, "there twice"),
    ] {
        let (_, run) = FaultyStore::new();
        let mut parts = Vec::new();
        for plan in &plans {
            parts.push(crate::write_part(&run, id, plan, &state).await.unwrap());
        }
        crate::commit(
            &run,
            &Manifest {
                parts,
                ..crate::tests::manifest(12, 3)
            },
        )
        .await
        .unwrap();
        let error = verify(&run, id).await.unwrap_err();
        assert!(
            error.is_damage() && error.to_string().contains(expected),
            "{error}"
        );
    }
}
