//! The sum over ranks of a vector that stays in its GPU's memory, and the norm that all go by.

use crate::clip::global_norm;
use crate::error::TrainError;
use collective::{CollectiveError, DeviceFloats, NcclError, ProcessGroup};
use model::{DeviceVector, ModelError};

/// Adds the ranks' vectors, each in its place.
///
/// # Errors
/// The device's, and the group's: the vector is then of no use.
pub(crate) fn all_reduce(
    vector: &DeviceVector,
    process: &mut dyn ProcessGroup,
) -> Result<(), TrainError> {
    if process.world_size() == 1 {
        return Ok(());
    }
    let memory = vector.in_gpu_memory()?;
    #[expect(unsafe_code, reason = "NCCL takes an address")]
    // SAFETY: `memory` keeps the vector in its place, computed; nobody else has it, and it is not read before the call
    // is over. The process computes on one device in its primary context, which is NCCL's too.
    let floats = unsafe { DeviceFloats::new(memory.address, memory.floats) };
    match process.all_reduce_on_device(floats) {
        Err(error @ CollectiveError::Nccl(NcclError::Stuck { .. })) => {
            // NCCL may write to it as long as this process lives.
            std::mem::forget(memory);
            Err(error.into())
        }
        outcome => Ok(outcome?),
    }
}

/// The norm of a vector, on the CPU as of one in the host's memory.
///
/// # Errors
/// The device's.
pub(crate) fn norm(vector: &DeviceVector) -> Result<f64, ModelError> {
    match vector.on_cpu() {
        Some(numbers) => Ok(global_norm(numbers.as_ref())),
        None => vector.norm(),
    }
}

/// The norm of a vector that is the same on every rank, as rank 0 has it.
///
/// GPUs may add in different orders, and by the norm all ranks must shorten the vector alike.
///
/// # Errors
/// The device's and the group's; `Exchange` if rank 0 said something else.
pub(crate) fn agreed_norm(
    vector: &DeviceVector,
    process: &mut dyn ProcessGroup,
) -> Result<f64, TrainError> {
    let norms = process.all_gather(&norm(vector)?.to_le_bytes())?;
    let first = norms.first().map_or(&[][..], Vec::as_slice);
    let bytes = first.try_into().map_err(|_| TrainError::Exchange {
        rank: 0,
        reason: format!("a norm of {} bytes", first.len()),
    })?;
    Ok(f64::from_le_bytes(bytes))
}
