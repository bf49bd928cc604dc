//! The process group over NCCL, for NVIDIA GPUs: vectors go over NCCL, everything else over a mesh of TCP.
//!
//! With [`Adding::Fast`] vectors may lie on the GPUs: NCCL then adds them where they are, and nothing is copied.
//!
//! The mesh is an ordinary [`TcpGroup`]. It carries the communicator's id to the ranks, the sizes at the
//! start of a reduction, and a barrier at its end; and it shows that a peer is gone, since
//! NCCL by itself may wait for ever. So a communicator belongs to one generation, and the next one makes its own.
//!
//! `all_gather` and `replicate` stay on the mesh altogether. The messages of the first are kilobytes of different sizes
//! from and to host memory; the second runs at most once a generation, between vectors that lie in host memory. Over
//! NCCL the one would need its sizes exchanged first, the other twice its size in device memory.
//!
//! Every call of NCCL returns at once and is looked after until the call's deadline. After any failure the communicator
//! is aborted before the error is returned; if that hangs, the error says that the process must be replaced.

mod capabilities;
mod error;
mod forming;
mod raw;
mod reduction;

use std::sync::Arc;
use std::time::Duration;

use self::raw::{Communicator, Fault};
use self::reduction::Reduction;
use crate::group::hosts_add;
use crate::tcp::{Call, Interruption};
use crate::{AbortHandle, CollectiveError, Operation, ProcessGroup, SlotSums, TcpGroup};

pub use self::error::{NcclError, Site};
pub use self::forming::{Link, form};
pub use self::raw::{
    DeviceFloats, DriverSurvey, GpuSurvey, NcclDevice, NoGpu, find_gpu, nccl_version, survey_driver,
};

/// What a group over NCCL is made with.
#[derive(Debug, Clone)]
pub struct NcclSettings {
    /// The libraries and the device, opened once a process.
    pub device: Arc<NcclDevice>,
    /// Who adds, and in which order.
    pub adding: Adding,
    /// How long the abort of a communicator may take.
    pub abort_within: Duration,
}

/// Who adds the slots' gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adding {
    /// The hosts, in the order of the slot tree: the bits of a [`TcpGroup`] for every number of ranks.
    Exact,
    /// Each rank its own slots, NCCL the rest: faster, and the bits depend on ranks and hardware.
    Fast,
}

/// A [`ProcessGroup`] over NCCL. Dropping it ends its communicator and closes its connections.
struct NcclGroup {
    control: TcpGroup,
    communicator: Communicator,
    settings: NcclSettings,
}

impl NcclGroup {
    /// Leaves the group after a failure, so that the peers see it at once, and ends the communicator.
    fn fail(&mut self, cause: CollectiveError) -> CollectiveError {
        self.control.leave();
        end(&mut self.communicator, &self.settings, cause)
    }
}

/// Ends a communicator after a failure; gives the failure, or says that the end failed too.
fn end(
    communicator: &mut Communicator,
    settings: &NcclSettings,
    cause: CollectiveError,
) -> CollectiveError {
    let waited = settings.abort_within;
    match communicator.abort(waited) {
        Ok(()) => cause,
        Err(raw::Hung) => {
            settings.device.give_up();
            let cause = cause.to_string();
            NcclError::Stuck { cause, waited }.into()
        }
    }
}

/// Looks after what NCCL does until it is done, and says what went wrong and where.
fn wait_until(
    group: &TcpGroup,
    call: &Call,
    site: Site,
    is_done: impl FnMut() -> Result<bool, Fault>,
) -> Result<(), CollectiveError> {
    let interrupted = |interruption| match interruption {
        Interruption::Aborted => CollectiveError::Aborted,
        Interruption::Failed(fault) => NcclError::Failed { site, fault }.into(),
        Interruption::TimedOut => {
            let deadline = call.within;
            NcclError::TimedOut { site, deadline }.into()
        }
        Interruption::Closed(peer) => {
            let (peer, address) = (peer.rank, peer.address);
            NcclError::Closed {
                site,
                peer,
                address,
            }
            .into()
        }
    };
    call.wait_until(&group.peers, is_done).map_err(interrupted)
}

impl ProcessGroup for NcclGroup {
    fn rank(&self) -> usize {
        self.control.rank()
    }

    fn world_size(&self) -> usize {
        self.control.world_size()
    }

    fn set_deadline(&mut self, within: Duration) {
        self.control.set_deadline(within);
    }

    fn all_gather(&mut self, mine: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let outcome = self.control.all_gather(mine);
        outcome.map_err(|cause| self.fail(cause))
    }

    fn all_reduce(&mut self, sums: SlotSums) -> Result<Vec<f32>, CollectiveError> {
        let Self {
            control,
            communicator,
            settings,
        } = self;
        let outcome = control.call(Operation::ReduceOffer, |group, call| {
            let membership = &group.membership;
            let parts = sums.into_parts(membership.tree(), &membership.slots[membership.rank])?;
            Reduction {
                group,
                call,
                communicator,
            }
            .run(parts, settings.adding)
        });
        outcome.map_err(|cause| self.fail(cause))
    }

    fn sums_on_device(&self) -> bool {
        self.settings.adding == Adding::Fast
    }

    fn all_reduce_on_device(&mut self, vector: DeviceFloats) -> Result<(), CollectiveError> {
        if !self.sums_on_device() {
            return Err(hosts_add(vector));
        }
        let Self {
            control,
            communicator,
            ..
        } = self;
        let outcome = control.call(Operation::ReduceOffer, |group, call| {
            Reduction {
                group,
                call,
                communicator,
            }
            .run_on_device(vector)
        });
        outcome.map_err(|cause| self.fail(cause))
    }

    fn replicate(
        &mut self,
        holders: &[usize],
        values: Vec<&mut [f32]>,
    ) -> Result<(), CollectiveError> {
        let outcome = self.control.replicate(holders, values);
        outcome.map_err(|cause| self.fail(cause))
    }

    fn abort_handle(&self) -> AbortHandle {
        self.control.abort_handle()
    }
}
