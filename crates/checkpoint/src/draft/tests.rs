//! Tests of filling a part by pieces.

use super::*;
use crate::part::{check, decode};
use crate::tests::sample;
use crate::{plan_parts, weights_root};

fn never(_: usize) -> Result<(), CheckpointError> {
    Ok(())
}

fn begun(id: CheckpointId, plan: &PartPlan) -> Draft {
    Draft::new(id, plan, &BufferPool::default()).unwrap()
}

fn encoded(n_values: usize, part_bytes: u64) -> Vec<Encoded> {
    let (id, tensors, state) = sample(12, 3);
    let encode = |plan: &PartPlan| {
        let mut draft = begun(id, plan);
        while !draft.is_whole() {
            draft.copy(&state, n_values).unwrap();
        }
        draft.close(never).unwrap()
    };
    plan_parts(&tensors, part_bytes)
        .iter()
        .map(encode)
        .collect()
}

#[test]
fn bytes_do_not_depend_on_the_pieces() {
    let whole = encoded(usize::MAX, 64);
    for n_values in [1, 2, 5, 7] {
        assert_eq!(encoded(n_values, 64), whole);
    }
}

#[test]
fn memory_that_was_used_before_leaves_nothing_in_a_file_and_comes_back() {
    let (id, tensors, state) = sample(12, 3);
    for (plan, whole) in plan_parts(&tensors, 64).iter().zip(encoded(5, 64)) {
        let size = begun(id, plan).size();
        let pool = BufferPool::new(2 * size as u64);
        pool.keep(vec![7; 2 * size]);
        let mut draft = Draft::new(id, plan, &pool).unwrap();
        draft.copy(&state, 1).unwrap();
        assert_eq!(pool.bytes(), 0);
        draft.copy(&state, usize::MAX).unwrap();
        let part = draft.close(never).unwrap();
        assert_eq!(part, whole);
        drop(part);
        assert_eq!(pool.bytes(), 2 * size);
    }
}

#[test]
fn file_is_what_the_formats_own_writer_makes() {
    let (id, tensors, state) = sample(12, 3);
    for (plan, ours) in plan_parts(&tensors, 64).iter().zip(encoded(3, 64)) {
        let values = |role, tensor: &TensorSpec| {
            let range = tensor.range().unwrap();
            let values = state.numbers(role, range).unwrap().into_owned();
            values
                .into_iter()
                .flat_map(|v| v.to_le_bytes())
                .collect::<Vec<_>>()
        };
        let bytes: Vec<_> = plan
            .tensors
            .iter()
            .map(|(role, tensor)| {
                (
                    role.tensor_name(&tensor.name),
                    tensor,
                    values(*role, tensor),
                )
            })
            .collect();
        let views = bytes.iter().map(|(name, tensor, bytes)| {
            let view =
                safetensors::tensor::TensorView::new(Dtype::F32, tensor.shape.clone(), bytes);
            (name.clone(), view.unwrap())
        });
        let tag = HashMap::from([(TAG.to_owned(), format!("{id} part {}", plan.index))]);
        assert_eq!(
            safetensors::serialize(views, Some(tag)).unwrap(),
            ours.bytes
        );
    }
}

#[test]
fn part_reads_back_and_its_record_fits() {
    for part in encoded(3, 64) {
        check("x", &part.record, &part.bytes).unwrap();
        assert!(!decode("x", &part.bytes).unwrap().is_empty());
    }
}

#[test]
fn digest_of_the_weights_does_not_depend_on_the_cut_into_parts() {
    let root = |part_bytes| {
        let parts = encoded(3, part_bytes);
        weights_root(parts.iter().map(|part| part.weights.as_slice()))
    };
    let (_, tensors, state) = sample(12, 3);
    let of = |tensor: &TensorSpec| {
        let mut hash = TensorHash::new(&tensor.name, &tensor.shape);
        for value in &state.parameters[tensor.range().unwrap()] {
            hash.update(&value.to_le_bytes());
        }
        *hash.finish().as_bytes()
    };
    let digests: Vec<_> = tensors.iter().map(of).collect();
    let whole = weights_root(digests.iter().map(|digest| &digest[..]));
    for part_bytes in [1, 64, 10_000] {
        assert_eq!(root(part_bytes), whole);
    }
}

#[test]
fn size_is_known_before_the_first_value() {
    let (id, tensors, state) = sample(12, 3);
    let mut draft = begun(id, &plan_parts(&tensors, 64)[0]);
    let size = draft.size();
    assert!(!draft.is_whole());
    draft.copy(&state, usize::MAX).unwrap();
    assert!(draft.is_whole());
    assert_eq!(draft.close(never).unwrap().bytes.len(), size);
}

#[test]
fn unfinished_draft_cannot_be_closed_and_a_pause_may_end_it() {
    let (id, tensors, state) = sample(12, 3);
    let plan = &plan_parts(&tensors, 64)[0];
    let mut draft = begun(id, plan);
    draft.copy(&state, 1).unwrap();
    let error = draft.close(never).unwrap_err();
    assert!(error.to_string().contains("values are missing"), "{error}");
    let mut draft = begun(id, plan);
    draft.copy(&state, usize::MAX).unwrap();
    let stop = |_| {
        Err(CheckpointError::Contended {
            object: "x".to_owned(),
        })
    };
    assert!(matches!(
        draft.close(stop),
        Err(CheckpointError::Contended { .. })
    ));
}

#[test]
fn state_that_is_too_short_is_refused() {
    let (id, tensors, mut state) = sample(12, 3);
    state.second_moment.pop();
    let plan = &plan_parts(&tensors, u64::MAX)[0];
    let mut draft = begun(id, plan);
    let error = draft.copy(&state, usize::MAX).unwrap_err();
    assert!(
        matches!(error, CheckpointError::Unwritable { .. }),
        "{error}"
    );
}
