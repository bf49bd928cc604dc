//! The device a model runs on, named by text. It looks for no driver and holds no device state.

use std::str::FromStr;

use burn::tensor::Device;

use crate::error::ModelError;

/// A kind of device, as a job file names it: `cpu`, `cuda` or `cuda:N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor, through burn's pure-Rust backend.
    Cpu,
    /// An NVIDIA GPU.
    Cuda {
        /// Its index among the visible ones.
        index: usize,
    },
}

impl DeviceKind {
    /// The kind by the name that a job file has for it, whichever of the GPUs it is.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda { .. } => "cuda",
        }
    }
}

impl FromStr for DeviceKind {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let unknown = || ModelError::UnknownDevice {
            found: text.to_owned(),
        };
        match text {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda { index: 0 }),
            _ => {
                let index = text.strip_prefix("cuda:").ok_or_else(unknown)?;
                let index = index.parse().map_err(|_| unknown())?;
                Ok(Self::Cuda { index })
            }
        }
    }
}

/// Whether this build can compute on NVIDIA GPUs.
pub const HAS_CUDA: bool = cfg!(feature = "cuda");

/// Opens a device with gradients on.
///
/// Whether a driver and the GPU are there is found out before: without them burn ends in a panic, of which all but
/// the message on standard error is caught here.
///
/// # Errors
///
/// [`ModelError::CudaNotBuilt`] or [`ModelError::CudaSilent`] for a GPU that cannot be used.
pub fn open(kind: DeviceKind) -> Result<Device, ModelError> {
    match kind {
        DeviceKind::Cpu => Ok(Device::flex().autodiff()),
        DeviceKind::Cuda { index } => open_cuda(index),
    }
}

#[cfg(not(feature = "cuda"))]
fn open_cuda(_index: usize) -> Result<Device, ModelError> {
    Err(ModelError::CudaNotBuilt)
}

#[cfg(feature = "cuda")]
fn open_cuda(index: usize) -> Result<Device, ModelError> {
    // The driver's bindings panic instead of answering when the driver refuses, so the first real work is fenced in.
    std::panic::catch_unwind(|| {
        let device = stand_in().unwrap_or_else(|| Device::cuda(index));
        let one = burn::tensor::Tensor::<1>::ones([1], &device).into_scalar::<f32>();
        (one == 1.0).then(|| device.autodiff())
    })
    .ok()
    .flatten()
    .ok_or(ModelError::CudaSilent { index })
}

/// What computes in the place of every GPU: the same kernels on the CPU.
#[cfg(feature = "rehearsal")]
fn stand_in() -> Option<Device> {
    Some(Device::cpu())
}

#[cfg(all(feature = "cuda", not(feature = "rehearsal")))]
fn stand_in() -> Option<Device> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_strange_ones_refused() {
        assert_eq!("cpu".parse(), Ok(DeviceKind::Cpu));
        assert_eq!("cuda".parse(), Ok(DeviceKind::Cuda { index: 0 }));
        assert_eq!("cuda:3".parse(), Ok(DeviceKind::Cuda { index: 3 }));
        for name in ["", "gpu", "cuda:", "cuda:-1", "CPU"] {
            let found = name.to_owned();
            let refused = name.parse::<DeviceKind>();
            assert_eq!(refused, Err(ModelError::UnknownDevice { found }));
        }
    }

    #[test]
    fn the_cpu_opens_with_gradients() {
        assert!(open(DeviceKind::Cpu).unwrap().is_autodiff());
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_build_without_cuda_says_so() {
        let refused = open(DeviceKind::Cuda { index: 0 }).err();
        assert_eq!(refused, Some(ModelError::CudaNotBuilt));
    }
}
