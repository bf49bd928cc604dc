//! Small states and manifests to keep on a store.
//! Owns no test.

use fratmae_control::{Generation, Step};
use fratmae_store::Location;

use crate::layout::{CheckpointId, part_name};
use crate::manifest::{FORMAT_VERSION, Manifest, PartRecord};
use crate::state::{State, TensorSpec};
use crate::{CheckpointError, commit, plan_parts, write_part};

/// Three small tensors and a state that is different at every step.
pub(crate) fn sample(step: u64, generation: u64) -> (CheckpointId, Vec<TensorSpec>, State) {
    let id = CheckpointId {
        step: Step::new(step),
        generation: Generation::new(generation),
    };
    let tensor = |name: &str, shape: &[usize], offset| TensorSpec {
        name: name.to_owned(),
        shape: shape.to_vec(),
        offset,
    };
    let tensors = vec![
        tensor("a", &[2, 3], 0),
        tensor("b.c", &[4], 6),
        tensor("d", &[], 10),
    ];
    let values = |start: f32| (0..11).map(|i| start + i as f32).collect::<Vec<_>>();
    let state = State {
        step: id.step,
        parameters: values(step as f32),
        first_moment: values(100.0 + step as f32),
        second_moment: values(200.0 + step as f32),
    };
    (id, tensors, state)
}

/// A manifest over one part of one byte, which is nowhere.
pub(crate) fn manifest(step: u64, generation: u64) -> Manifest {
    Manifest {
        format_version: FORMAT_VERSION,
        step,
        generation,
        fence: 1,
        parts: vec![PartRecord {
            index: 0,
            name: part_name(0),
            bytes: 1,
            digest: "00".to_owned(),
        }],
        weights_digest: "w".to_owned(),
        samples_seen: step * 8,
        loss: 0.5,
        config_digest: "c".to_owned(),
        data_digest: "d".to_owned(),
        seed: 7,
    }
}

/// Writes and commits the sample checkpoint, in parts of about 64 bytes.
pub(crate) async fn write_sample(
    run: &Location,
    step: u64,
    generation: u64,
) -> Result<Manifest, CheckpointError> {
    let (id, tensors, state) = sample(step, generation);
    let mut parts = Vec::new();
    for plan in plan_parts(&tensors, 64) {
        parts.push(write_part(run, id, &plan, &state).await?);
    }
    let manifest = Manifest {
        parts,
        ..manifest(step, generation)
    };
    commit(run, &manifest).await?;
    Ok(manifest)
}

/// Flips a bit in the middle of an object.
pub(crate) async fn damage(run: &Location, object: &str) {
    let mut bytes = run.get(object).await.unwrap().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    run.put(object, bytes).await.unwrap();
}
