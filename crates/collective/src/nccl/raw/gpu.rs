//! Looks for a GPU through the driver alone, before anything that would take the driver for granted is touched.

use std::ffi::c_int;

use thiserror::Error;

use super::Fault;
use super::device::{judge_cuda, open};
use super::functions::{Cuda, SUCCESS};

/// Why there is no GPU to compute on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoGpu {
    /// The driver's library is not there, or is another one.
    #[error("no NVIDIA driver ({library} {reason})")]
    Driver {
        /// Where it was looked for.
        library: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The driver has no device for this process.
    #[error("the NVIDIA driver reports no GPU ({fault})")]
    Device { fault: Fault },
}

/// Gives the GPU of the process at a place among those of this machine, which take the visible GPUs in turn.
///
/// The driver is opened and asked; no context is made and no memory taken.
///
/// # Errors
/// `NoGpu::Driver` without a driver, `NoGpu::Device` if it has no device, or none that `CUDA_VISIBLE_DEVICES` leaves.
pub fn find_gpu(cuda_library: &str, place: usize) -> Result<usize, NoGpu> {
    let cuda = open(cuda_library, Cuda::read).map_err(|reason| NoGpu::Driver {
        library: cuda_library.to_owned(),
        reason,
    })?;
    let judge = |call, answer| {
        let judged = judge_cuda(cuda.error_name, call, answer);
        judged.map_err(|fault| NoGpu::Device { fault })
    };
    // SAFETY: it takes a number, and may be called at any time.
    let answer = unsafe { (cuda.init)(0) };
    judge("cuInit", answer)?;
    let mut device = 0;
    // SAFETY: the pointer is to a local variable of the type that the function fills.
    let mut get = |ordinal| unsafe { (cuda.device)(&raw mut device, ordinal) };
    judge("cuDeviceGet", get(0))?;
    let others = (1..c_int::MAX).take_while(|ordinal| get(*ordinal) == SUCCESS);
    Ok(place % (1 + others.count()))
}
