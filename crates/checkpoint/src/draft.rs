//! A part while it is filled: the file's header, and the tensors' values copied behind it piece by piece.
//! Owns the order of bytes in a part's file; whose memory the values come from, and when, is the caller's.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::error::CheckpointError;
use crate::layout::{CheckpointId, CheckpointObjects, part_name};
use crate::manifest::PartRecord;
use crate::plan::PartPlan;
use crate::pool::{BufferPool, PooledBytes};
use crate::state::{Role, State, TensorSpec};
use crate::weights::TensorHash;

/// The one entry of a part's metadata: which checkpoint wrote it. One entry only, so that the bytes have one order.
const TAG: &str = "fratmae";

/// Values turned into bytes at a time, in the innermost cache.
const BLOCK: usize = 1024;

/// Bytes hashed before the caller is asked again whether to go on.
const HASHED: usize = 1 << 20;

/// The three flat vectors of a state, wherever they lie.
pub trait Vectors {
    /// Some of the numbers of the vector of one role, as they are after the state's step.
    ///
    /// # Errors
    /// Why they cannot be had, for the message of [`CheckpointError::Unwritable`].
    fn numbers(&self, role: Role, range: Range<usize>) -> Result<Cow<'_, [f32]>, String>;
}

impl Vectors for State {
    fn numbers(&self, role: Role, range: Range<usize>) -> Result<Cow<'_, [f32]>, String> {
        borrowed(
            match role {
                Role::Parameters => &self.parameters,
                Role::FirstMoment => &self.first_moment,
                Role::SecondMoment => &self.second_moment,
            },
            range,
        )
    }
}

/// Numbers of a vector in this machine's memory, for [`Vectors`].
///
/// # Errors
/// They lie outside of it.
pub fn borrowed(vector: &[f32], range: Range<usize>) -> Result<Cow<'_, [f32]>, String> {
    let outside = || "a tensor is outside of the state".to_owned();
    vector.get(range).map(Cow::Borrowed).ok_or_else(outside)
}

/// A part's file that is not whole yet. It takes its memory from a pool when the first values come.
#[derive(Debug)]
pub(crate) struct Draft {
    id: CheckpointId,
    plan: PartPlan,
    header: Vec<u8>,
    /// Where the values of each tensor come from, in the order of the file.
    sources: Vec<(Role, Range<usize>)>,
    file: PooledBytes,
    /// Tensors that are whole, and values of the next one that are there.
    copied: (usize, usize),
}

/// A part that is whole, with its digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// As the manifest names it.
    pub(crate) record: PartRecord,
    /// The digests of the parameters in it, one after the other in their order: see [`crate::weights_root`].
    pub(crate) weights: Vec<u8>,
    pub(crate) bytes: Bytes,
}

impl Draft {
    /// Lays the file of a part out; the same plan always gives the same order.
    ///
    /// # Errors
    /// [`CheckpointError::Unwritable`] if the tensors' numbers overflow.
    pub(crate) fn new(
        id: CheckpointId,
        plan: &PartPlan,
        pool: &BufferPool,
    ) -> Result<Self, CheckpointError> {
        let mut tensors: Vec<_> = plan.tensors.iter().collect();
        // The order that the format's own writer gives to tensors of one type.
        tensors.sort_by_cached_key(|(role, tensor)| role.tensor_name(&tensor.name));
        let (mut infos, mut sources, mut end) = (Vec::new(), Vec::new(), 0_usize);
        for (role, tensor) in tensors {
            let range = tensor.range();
            let range = range.ok_or_else(|| outside(id, plan, tensor))?;
            let begin = end;
            let size = range.len().checked_mul(size_of::<f32>());
            end = size
                .and_then(|size| begin.checked_add(size))
                .ok_or_else(|| outside(id, plan, tensor))?;
            let info = TensorInfo {
                dtype: Dtype::F32,
                shape: tensor.shape.clone(),
                data_offsets: (begin, end),
            };
            infos.push((role.tensor_name(&tensor.name), info));
            sources.push((*role, range));
        }
        let header = header(id, plan.index, infos);
        Ok(Self {
            id,
            plan: plan.clone(),
            header: header.map_err(|reason| unwritable(id, plan, reason))?,
            sources,
            file: PooledBytes::empty(pool),
            copied: (0, 0),
        })
    }

    /// The size of the whole file in bytes.
    pub(crate) fn size(&self) -> usize {
        let values = self
            .sources
            .iter()
            .map(|(_, range)| size_of::<f32>() * range.len());
        values.fold(self.header.len(), usize::saturating_add)
    }

    /// Whether every value is there.
    pub(crate) fn is_whole(&self) -> bool {
        self.file.bytes.len() == self.size()
    }

    /// Copies the next values, `n_values` at most. The values must be the same from the first call to the last.
    ///
    /// # Errors
    /// [`CheckpointError::Unwritable`] if the vectors do not give the numbers.
    pub(crate) fn copy(
        &mut self,
        from: &(impl Vectors + ?Sized),
        n_values: usize,
    ) -> Result<(), CheckpointError> {
        if self.file.bytes.is_empty() {
            self.file.allocate(self.size());
            self.file.bytes.extend_from_slice(&self.header);
        }
        let mut rest = n_values;
        while let Some((role, range)) = self.sources.get(self.copied.0).cloned() {
            let begin = range.start + self.copied.1;
            let end = range.end.min(begin.saturating_add(rest));
            let values = from.numbers(role, begin..end);
            let values = values.map_err(|reason| unwritable(self.id, &self.plan, reason))?;
            append(&values, &mut self.file.bytes);
            rest -= values.len();
            if end < range.end {
                self.copied.1 += values.len();
                return Ok(());
            }
            self.copied = (self.copied.0 + 1, 0);
        }
        Ok(())
    }

    /// Closes the file and takes its digests; `pause` is called after each MiB with the bytes hashed.
    ///
    /// # Errors
    /// [`CheckpointError::Unwritable`] if values are missing; what `pause` gives as it is.
    pub(crate) fn close<E: From<CheckpointError>>(
        self,
        mut pause: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Encoded, E> {
        if !self.is_whole() {
            let reason = "values are missing".to_owned();
            return Err(unwritable(self.id, &self.plan, reason).into());
        }
        let mut digest = blake3::Hasher::new();
        hash(&mut digest, &self.file.bytes, &mut pause)?;
        let mut weights = Vec::new();
        for (role, tensor) in &self.plan.tensors {
            if *role == Role::Parameters {
                let mut digest = TensorHash::new(&tensor.name, &tensor.shape);
                hash(&mut digest.0, self.values_of(tensor), &mut pause)?;
                weights.extend_from_slice(digest.finish().as_bytes());
            }
        }
        let record = PartRecord {
            index: self.plan.index,
            name: part_name(self.plan.index),
            bytes: self.file.bytes.len() as u64,
            digest: digest.finalize().to_hex().to_string(),
        };
        Ok(Encoded {
            record,
            weights,
            bytes: Bytes::from_owner(self.file),
        })
    }

    /// The bytes of one of the parameters in the file.
    fn values_of(&self, tensor: &TensorSpec) -> &[u8] {
        let wanted = tensor.range().unwrap_or_default();
        let mut begin = self.header.len();
        for (role, range) in &self.sources {
            let end = begin + size_of::<f32>() * range.len();
            if *role == Role::Parameters && *range == wanted {
                return self.file.bytes.get(begin..end).unwrap_or_default();
            }
            begin = end;
        }
        &[]
    }
}

fn hash<E>(
    hasher: &mut blake3::Hasher,
    bytes: &[u8],
    pause: &mut impl FnMut(usize) -> Result<(), E>,
) -> Result<(), E> {
    bytes.chunks(HASHED).try_for_each(|piece| {
        hasher.update(piece);
        pause(piece.len())
    })
}

/// Appends little-endian values; by blocks, which the compiler turns into copies where that is the machine's order.
fn append(values: &[f32], bytes: &mut Vec<u8>) {
    let mut block = [0; BLOCK * size_of::<f32>()];
    for values in values.chunks(BLOCK) {
        let (floats, _) = block.as_chunks_mut();
        for (bytes, value) in floats.iter_mut().zip(values) {
            *bytes = value.to_le_bytes();
        }
        bytes.extend_from_slice(&block[..size_of_val(values)]);
    }
}

/// The beginning of a file: the header's length, and the header as JSON, filled up to a multiple of eight.
fn header(
    id: CheckpointId,
    index: u32,
    tensors: Vec<(String, TensorInfo)>,
) -> Result<Vec<u8>, String> {
    let tag = HashMap::from([(TAG.to_owned(), format!("{id} part {index}"))]);
    let metadata = Metadata::new(Some(tag), tensors).map_err(|error| error.to_string())?;
    let mut text = serde_json::to_vec(&metadata).map_err(|error| error.to_string())?;
    text.resize(text.len().next_multiple_of(size_of::<u64>()), b' ');
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.append(&mut text);
    Ok(header)
}

fn outside(id: CheckpointId, plan: &PartPlan, tensor: &TensorSpec) -> CheckpointError {
    unwritable(id, plan, format!("tensor {} is too large", tensor.name))
}

fn unwritable(id: CheckpointId, plan: &PartPlan, reason: String) -> CheckpointError {
    CheckpointError::Unwritable {
        object: id.object(&part_name(plan.index)),
        reason,
    }
}

#[cfg(test)]
mod tests;
