//! One part as a safetensors file: its bytes from a state, and its tensors back from bytes.
//! Owns the file format; moves no bytes over a network.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use safetensors::{Dtype, SafeTensors, View};

use crate::error::{CheckpointError, damaged};
use crate::layout::{CheckpointId, part_name};
use crate::manifest::PartRecord;
use crate::plan::PartPlan;
use crate::state::State;

/// The one entry of a part's metadata: which checkpoint wrote it. One entry only, so that the bytes have one order.
const TAG: &str = "fratmae";

/// Encodes a part; the same state and plan always give the same bytes.
pub(crate) fn encode(
    id: CheckpointId,
    plan: &PartPlan,
    state: &State,
) -> Result<(PartRecord, Bytes), CheckpointError> {
    let name = part_name(plan.index);
    let unwritable = |reason: String| CheckpointError::Unwritable {
        object: id.object(&name),
        reason,
    };
    let mut views = Vec::with_capacity(plan.tensors.len());
    for (role, tensor) in &plan.tensors {
        let values = tensor
            .range()
            .and_then(|range| state.vector(*role).get(range));
        let Some(values) = values else {
            return Err(unwritable(format!(
                "tensor {} is outside of the state",
                tensor.name
            )));
        };
        let shape = tensor.shape.as_slice();
        views.push((role.tensor_name(&tensor.name), Floats { shape, values }));
    }
    let tag = HashMap::from([(TAG.to_owned(), format!("{id} part {}", plan.index))]);
    let bytes =
        safetensors::serialize(views, Some(tag)).map_err(|error| unwritable(error.to_string()))?;
    let record = PartRecord {
        index: plan.index,
        name,
        bytes: bytes.len() as u64,
        digest: digest(&bytes),
    };
    Ok((record, Bytes::from(bytes)))
}

/// Checks a part's bytes against its record; `object` is its address for messages.
pub(crate) fn check(
    object: &str,
    record: &PartRecord,
    bytes: &[u8],
) -> Result<(), CheckpointError> {
    if bytes.len() as u64 != record.bytes {
        let reason = format!("it has {} bytes instead of {}", bytes.len(), record.bytes);
        return Err(damaged(object, reason));
    }
    if digest(bytes) != record.digest {
        return Err(damaged(object, "its digest differs from the manifest's"));
    }
    Ok(())
}

/// A tensor found in a part.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    bytes: &'a [u8],
}

impl Found<'_> {
    /// Copies the values; the caller has compared the shapes.
    pub(crate) fn copy_to(&self, values: &mut [f32]) {
        let (floats, _) = self.bytes.as_chunks();
        for (value, bytes) in values.iter_mut().zip(floats) {
            *value = f32::from_le_bytes(*bytes);
        }
    }
}

/// Reads which tensors a part holds; allocates nothing for their data.
pub(crate) fn decode<'a>(object: &str, bytes: &'a [u8]) -> Result<Vec<Found<'a>>, CheckpointError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(object, error))?;
    let mut tensors = Vec::with_capacity(file.len());
    for (name, view) in file.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(damaged(object, format!("tensor {name} is not f32")));
        }
        tensors.push(Found {
            name: name.to_owned(),
            shape: view.shape().to_vec(),
            bytes: view.data(),
        });
    }
    Ok(tensors)
}

fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// A slice of a state as a tensor; its bytes are made when they are asked for, one tensor at a time.
struct Floats<'a> {
    shape: &'a [usize],
    values: &'a [f32],
}

impl View for Floats<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = vec![0; self.data_len()];
        let (floats, _) = bytes.as_chunks_mut();
        for (bytes, value) in floats.iter_mut().zip(self.values) {
            *bytes = value.to_le_bytes();
        }
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::sample;

    #[test]
    fn part_reads_back_to_the_same_bits() {
        let (id, tensors, mut state) = sample(12, 3);
        state.parameters[0] = f32::from_bits(0x7fc0_1234);
        let plans = crate::plan_parts(&tensors, 64);
        let (record, bytes) = encode(id, &plans[0], &state).unwrap();
        check("x", &record, &bytes).unwrap();
        let found = decode("x", &bytes).unwrap();
        let first = found.iter().find(|found| found.name == "model.a").unwrap();
        let mut values = [0.0; 6];
        first.copy_to(&mut values);
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&values), bits(&state.parameters[..6]));
        assert_eq!(first.shape, [2, 3]);
    }

    #[test]
    fn bytes_are_a_function_of_state_and_plan() {
        let (id, tensors, state) = sample(12, 3);
        let plans = crate::plan_parts(&tensors, 64);
        let (record, bytes) = encode(id, &plans[0], &state).unwrap();
        for _ in 0..20 {
            assert_eq!(
                encode(id, &plans[0], &state).unwrap(),
                (record.clone(), bytes.clone())
            );
        }
    }

    #[test]
    fn any_flipped_byte_is_noticed() {
        let (id, tensors, state) = sample(12, 3);
        let plans = crate::plan_parts(&tensors, 64);
        let (record, bytes) = encode(id, &plans[0], &state).unwrap();
        for index in 0..bytes.len() {
            let mut bad = bytes.to_vec();
            bad[index] ^= 1;
            assert!(check("x", &record, &bad).is_err(), "byte {index}");
            let _never_panics = decode("x", &bad);
        }
    }

    #[test]
    fn state_that_is_too_short_is_refused() {
        let (id, tensors, mut state) = sample(12, 3);
        state.second_moment.pop();
        let plans = crate::plan_parts(&tensors, u64::MAX);
        let error = encode(id, &plans[0], &state).unwrap_err();
        assert!(
            matches!(error, CheckpointError::Unwritable { .. }),
            "{error}"
        );
    }

    #[test]
    fn header_that_promises_too_much_is_refused() {
        let mut bytes = u64::MAX.to_le_bytes().to_vec();
        bytes.extend(b"{}");
        assert!(decode("x", &bytes).unwrap_err().is_damage());
    }
}
