//! The process group: how the ranks of one generation gather messages and sum gradients.
//!
//! Owns the fixed tree over slot numbers, the one order in which gradients are added, and the transport between ranks.
//! It does not know the coordinator, the model or the store: a membership comes in, bytes and sums go out.
//!
//! The promise: [`ProcessGroup::all_reduce`] gives the same bits for every world size and every dealing of slots,
//! because the sum is taken in [`SlotTree`]'s order, whoever computed which slot.

mod abort;
mod error;
mod group;
mod membership;
mod nccl;
mod reduce;
mod sums;
mod tcp;
mod tree;

pub use abort::AbortHandle;
pub use error::{Action, CollectiveError, Direction, Operation, Refusal, Transfer};
pub use group::ProcessGroup;
pub use membership::Membership;
pub use nccl::{
    Adding, DeviceFloats, DriverSurvey, GpuSurvey, Link, NcclDevice, NcclError, NcclSettings,
    NoGpu, Site, find_gpu, form, nccl_version, survey_driver,
};
pub use sums::{Addend, OwnSums, SlotSums};
pub use tcp::{MeshPort, Sealing, TcpGroup, TcpSettings, Traffic};
pub use tree::SlotTree;
