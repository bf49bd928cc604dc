//! How this worker would have its gradients travel: what the job asks for, and what this machine has. What the ranks
//! of a group then do together is `collective`'s.

use crate::error::WorkerError;
use fratmae_collective::{Adding, CollectiveError, Link, NcclDevice, NcclError, NcclSettings};
use fratmae_config::{Backend, Collective, Reduction};
use fratmae_model::DeviceKind;
use fratmae_trust::own;
use std::time::Duration;

/// How long the end of a broken communicator may take; a healthy device needs milliseconds.
const ABORT: Duration = Duration::from_secs(5);

/// Opens NCCL where the job demands it, or leaves the choice and this worker trains on a GPU.
///
/// # Errors
/// `Group` if NCCL is demanded and cannot be had.
pub(crate) fn choose_transport(wanted: &Collective, kind: DeviceKind) -> Result<Link, WorkerError> {
    let index = match kind {
        DeviceKind::Cpu => 0,
        DeviceKind::Cuda { index } => index,
    };
    match (wanted.backend, kind) {
        (Backend::Tcp, _) => Ok(Link::Tcp),
        (Backend::Auto, DeviceKind::Cpu) => {
            tracing::debug!("gradients go over TCP: this worker trains on the CPU");
            Ok(Link::Tcp)
        }
        (Backend::Auto, DeviceKind::Cuda { .. }) => Ok(match open(wanted, index) {
            Ok(settings) => Link::PreferNccl(settings),
            Err(reason) => {
                tracing::info!(%reason, "gradients go over TCP");
                Link::Tcp
            }
        }),
        (Backend::Nccl, _) => {
            let settings = open(wanted, index).map_err(CollectiveError::from)?;
            Ok(Link::DemandNccl(settings))
        }
    }
}

fn open(wanted: &Collective, index: usize) -> Result<NcclSettings, NcclError> {
    if own().is_some() {
        tracing::warn!("what goes over NCCL is neither encrypted nor authenticated");
    }
    Ok(NcclSettings {
        device: NcclDevice::open(&wanted.nccl_library, &wanted.cuda_library, index)?,
        adding: match wanted.reduction {
            Reduction::Exact => Adding::Exact,
            Reduction::Fast => Adding::Fast,
        },
        abort_within: ABORT,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(backend: Backend) -> Collective {
        Collective {
            backend,
            nccl_library: "/nowhere/libnccl.so.2".to_owned(),
            cuda_library: "/nowhere/libcuda.so.1".to_owned(),
            ..Collective::default()
        }
    }

    #[test]
    fn a_worker_on_the_cpu_opens_nothing_unless_nccl_is_demanded() {
        for backend in [Backend::Auto, Backend::Tcp] {
            let link = choose_transport(&wanted(backend), DeviceKind::Cpu).unwrap();
            assert!(matches!(link, Link::Tcp));
        }
        let error = choose_transport(&wanted(Backend::Nccl), DeviceKind::Cpu).unwrap_err();
        assert!(error.to_string().contains("/nowhere/libcuda.so.1"));
    }

    #[test]
    fn a_worker_on_a_gpu_without_nccl_takes_tcp() {
        let gpu = DeviceKind::Cuda { index: 0 };
        let link = choose_transport(&wanted(Backend::Auto), gpu).unwrap();
        assert!(matches!(link, Link::Tcp));
    }
}
