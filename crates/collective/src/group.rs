//! The seam between the training step and whatever moves its bytes.
//!
//! Owns the trait only; implementations stand beside it.

use crate::{AbortHandle, CollectiveError, DeviceFloats, SlotSums};
use std::time::Duration;

/// The ranks of one generation, seen from one of them.
///
/// Every rank makes the same calls in the same order. Every call has a deadline, ends at once when the group is
/// aborted or a peer dies, and leaves the group unusable when it fails: a new generation gets a new group.
pub trait ProcessGroup: Send {
    /// Gives this process's rank.
    fn rank(&self) -> usize;

    /// Counts the ranks.
    fn world_size(&self) -> usize;

    /// Changes the deadline of the calls to come.
    fn set_deadline(&mut self, within: Duration);

    /// Hands everybody's message to everybody, in rank order; sizes may differ and may be zero.
    ///
    /// # Errors
    /// Any variant but `Membership`, `Sums`, `Listener`, `Absent` and `Refused`.
    fn all_gather(&mut self, mine: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError>;

    /// Sums the slots' gradients of all ranks in the order of the slot tree.
    ///
    /// The result has the same bits on every rank, for every world size and every exchange of the slots.
    ///
    /// # Errors
    /// `Sums` if they are not exactly of this rank's slots; else as [`all_gather`](Self::all_gather).
    /// Vectors of different lengths are a `Mismatch` on every rank.
    fn all_reduce(&mut self, sums: SlotSums) -> Result<Vec<f32>, CollectiveError>;

    /// Whether [`all_reduce_on_device`](Self::all_reduce_on_device) can be had: where NCCL adds, between GPUs.
    /// A group of one rank has nothing to add, and needs no such call.
    fn sums_on_device(&self) -> bool {
        false
    }

    /// Sums a vector of all ranks where it lies in their GPUs' memory, as NCCL does it: its bits depend on ranks and
    /// hardware, and are the same on every rank.
    ///
    /// # Errors
    /// As [`all_reduce`](Self::all_reduce); the vector is then of no use. After [`NcclError::Stuck`] its memory may
    /// still be written, so it must not be given back.
    ///
    /// [`NcclError::Stuck`]: crate::NcclError::Stuck
    fn all_reduce_on_device(&mut self, vector: DeviceFloats) -> Result<(), CollectiveError> {
        Err(hosts_add(vector))
    }

    /// Copies the holders' values to every rank that is not among them, each holder sending its share of the elements.
    ///
    /// `holders` are ranks, rising and the same on every rank; `values` have the same lengths on every rank, and only
    /// those of ranks that are no holders change. Nothing is moved if every rank is a holder, or none is.
    /// After a failure the values of a rank that is no holder are of no use.
    ///
    /// # Errors
    /// As [`all_gather`](Self::all_gather). Other lengths than a holder's are a `Mismatch`.
    fn replicate(
        &mut self,
        holders: &[usize],
        values: Vec<&mut [f32]>,
    ) -> Result<(), CollectiveError>;

    /// Gives the handle that ends this group's calls from another thread.
    fn abort_handle(&self) -> AbortHandle;
}

/// The refusal of a group that sums in the hosts' memory.
pub(crate) fn hosts_add(vector: DeviceFloats) -> CollectiveError {
    let reason = format!("{vector:?} is on a GPU, and this group adds in the hosts' memory");
    CollectiveError::Sums { reason }
}
