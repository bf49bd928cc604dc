//! One part as a safetensors file: whole from a state, and its tensors back from bytes.
//! Owns what of the file is checked and read; how it is filled is `draft`'s.

use safetensors::{Dtype, SafeTensors};

use crate::draft::{Draft, Encoded, Vectors};
use crate::error::{CheckpointError, damaged};
use crate::layout::CheckpointId;
use crate::manifest::PartRecord;
use crate::plan::PartPlan;
use crate::pool::BufferPool;

/// Encodes a part in one go; the same state and plan always give the same bytes.
pub(crate) fn encode(
    id: CheckpointId,
    plan: &PartPlan,
    state: &impl Vectors,
) -> Result<Encoded, CheckpointError> {
    let mut draft = Draft::new(id, plan, &BufferPool::default())?;
    draft.copy(state, usize::MAX)?;
    draft.close(|_| Ok(()))
}

/// What is wrong with a part that is not there.
pub(crate) const MISSING: &str = "it is missing";

/// What is wrong with a part of another size.
pub(crate) fn other_size(found: u64, record: &PartRecord) -> String {
    format!("it has {found} bytes instead of {}", record.bytes)
}

/// Checks a part's bytes against its record; `object` is its address for messages.
pub(crate) fn check(
    object: &str,
    record: &PartRecord,
    bytes: &[u8],
) -> Result<(), CheckpointError> {
    if bytes.len() as u64 != record.bytes {
        return Err(damaged(object, other_size(bytes.len() as u64, record)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::sample;

    #[test]
    fn part_reads_back_to_the_same_bits() {
        let (id, tensors, mut state) = sample(12, 3);
        state.parameters[0] = f32::from_bits(0x7fc0_1234);
        let plans = crate::plan_parts(&tensors, 64);
        let Encoded { record, bytes, .. } = encode(id, &plans[0], &state).unwrap();
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
        let Encoded { record, bytes, .. } = encode(id, &plans[0], &state).unwrap();
        for _ in 0..20 {
            let again = encode(id, &plans[0], &state).unwrap();
            assert_eq!((&again.record, &again.bytes), (&record, &bytes));
        }
    }

    #[test]
    fn any_flipped_byte_is_noticed() {
        let (id, tensors, state) = sample(12, 3);
        let plans = crate::plan_parts(&tensors, 64);
        let Encoded { record, bytes, .. } = encode(id, &plans[0], &state).unwrap();
        for index in 0..bytes.len() {
            let mut bad = bytes.to_vec();
            bad[index] ^= 1;
            assert!(check("x", &record, &bad).is_err(), "byte {index}");
            let _never_panics = decode("x", &bad);
        }
    }

    #[test]
    fn header_that_promises_too_much_is_refused() {
        let mut bytes = u64::MAX.to_le_bytes().to_vec();
        bytes.extend(b"{}");
        assert!(decode("x", &bytes).unwrap_err().is_damage());
    }
}
