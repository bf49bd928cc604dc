//! Where this worker computes, and why there: what the job asks for, what this build can, and what this machine has.

use crate::error::JobError;
use fratmae_collective::{NoGpu, find_gpu};
use fratmae_config::{Config, Device};
use fratmae_model::{DeviceKind, HAS_CUDA};

/// Why a worker has no GPU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Lack {
    /// The program was built without CUDA.
    #[error("this build has no CUDA")]
    Build,
    /// The machine has none.
    #[error(transparent)]
    Machine(#[from] NoGpu),
}

impl Lack {
    const fn help(&self) -> &'static str {
        match self {
            Self::Build => "`cargo xtask gpu build` makes one that has it",
            Self::Machine(NoGpu::Driver { .. }) => {
                "install NVIDIA's driver, or name its file with --cuda-library (collective.cuda_library for pretrain)"
            }
            Self::Machine(NoGpu::Device { .. }) => "look at nvidia-smi and CUDA_VISIBLE_DEVICES",
        }
    }
}

/// Chooses the device of the worker at a place among those of its machine, and says so in one line.
///
/// # Errors
/// `NoGpu` where the job demands one and there is none.
pub(crate) fn choose_device(config: &Config, place: usize) -> Result<DeviceKind, JobError> {
    let find = || {
        if !HAS_CUDA {
            return Err(Lack::Build);
        }
        Ok(find_gpu(&config.collective.cuda_library, place)?)
    };
    let (kind, reason) = decide(config.workers.device, find)?;
    match kind {
        DeviceKind::Cpu => tracing::info!("training on the CPU: {reason}"),
        DeviceKind::Cuda { index } => tracing::info!("training on CUDA device {index}: {reason}"),
    }
    Ok(kind)
}

fn decide(
    wanted: Device,
    find: impl FnOnce() -> Result<usize, Lack>,
) -> Result<(DeviceKind, String), JobError> {
    if wanted == Device::Cpu {
        return Ok((DeviceKind::Cpu, "workers.device = \"cpu\"".to_owned()));
    }
    match (find(), wanted) {
        (Ok(index), _) => {
            let reason = "the driver has it".to_owned();
            Ok((DeviceKind::Cuda { index }, reason))
        }
        (Err(lack), Device::Auto) => Ok((DeviceKind::Cpu, lack.to_string())),
        (Err(lack), _) => Err(JobError::NoGpu {
            reason: lack.to_string(),
            help: lack.help(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_driver() -> Lack {
        let library = "libcuda.so.1".to_owned();
        let reason = "cannot be opened: no such file".to_owned();
        NoGpu::Driver { library, reason }.into()
    }

    #[test]
    fn auto_takes_a_gpu_where_there_is_one_and_else_the_cpu_with_the_reason() {
        let (kind, _) = decide(Device::Auto, || Ok(3)).unwrap();
        assert_eq!(kind, DeviceKind::Cuda { index: 3 });
        for (lack, said) in [
            (Lack::Build, "this build has no CUDA"),
            (
                no_driver(),
                "no NVIDIA driver (libcuda.so.1 cannot be opened: no such file)",
            ),
        ] {
            let (kind, reason) = decide(Device::Auto, || Err(lack)).unwrap();
            assert_eq!((kind, reason.as_str()), (DeviceKind::Cpu, said));
        }
    }

    #[test]
    fn a_demand_that_cannot_be_met_is_refused_with_what_to_do() {
        for (lack, said) in [
            (Lack::Build, "cargo xtask gpu build"),
            (no_driver(), "install NVIDIA's driver"),
        ] {
            let line = decide(Device::Cuda, || Err(lack)).unwrap_err().to_string();
            assert!(line.starts_with("workers.device = \"cuda\""), "{line}");
            assert!(line.contains(said) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn who_wants_the_cpu_does_not_look_for_a_gpu() {
        let (kind, _) = decide(Device::Cpu, || panic!("looked")).unwrap();
        assert_eq!(kind, DeviceKind::Cpu);
    }
}
