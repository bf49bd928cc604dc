//! Memory of the same size on both sides: pinned in the host, where floats are put and taken, and on the device.

use std::ffi::c_void;
use std::sync::Arc;

use super::Fault;
use super::device::{NcclDevice, Shareable};
use super::functions::{DevicePointer, Stream};

/// Floats somewhere in the device's memory that somebody else owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceFloats {
    address: DevicePointer,
    floats: usize,
}

impl DeviceFloats {
    /// Names `floats` numbers from `address` on.
    ///
    /// # Safety
    /// They lie in the memory of the device that the group's NCCL uses, in its primary context, and what makes them has
    /// been computed. Until the call that they are given to returns, nobody else reads or writes them and they are not
    /// freed; nor ever after it if it returns `NcclError::Stuck`.
    #[must_use]
    pub unsafe fn new(address: u64, floats: usize) -> Self {
        Self { address, floats }
    }

    pub(crate) fn floats(self) -> usize {
        self.floats
    }

    pub(super) fn pointer(self) -> *mut c_void {
        std::ptr::without_provenance_mut(self.address as usize)
    }
}

/// A number of floats in pinned memory of the host and as many on the device.
pub(super) struct Buffer {
    device: Arc<NcclDevice>,
    host: Shareable<f32>,
    pointer: DevicePointer,
    floats: usize,
}

impl Buffer {
    /// Allocates both sides; zero floats take no memory.
    pub(super) fn new(device: &Arc<NcclDevice>, floats: usize) -> Result<Self, Fault> {
        let mut buffer = Self {
            device: Arc::clone(device),
            host: Shareable(std::ptr::null_mut()),
            pointer: 0,
            floats: 0,
        };
        if floats == 0 {
            return Ok(buffer);
        }
        let (bytes, mut host) = (floats * size_of::<f32>(), std::ptr::null_mut());
        // SAFETY: both pointers are to variables of the types that the functions fill.
        unsafe {
            let answer = (device.cuda.allocate_host)(&raw mut host, bytes);
            device.cuda_answer("cuMemAllocHost", answer)?;
            buffer.host.0 = host.cast();
            let answer = (device.cuda.allocate)(&raw mut buffer.pointer, bytes);
            device.cuda_answer("cuMemAlloc", answer)?;
            // New memory has no value yet, and a slice of floats needs one.
            buffer.host.0.write_bytes(0, floats);
        }
        buffer.floats = floats;
        Ok(buffer)
    }

    pub(super) fn floats(&self) -> usize {
        self.floats
    }

    /// The host's side. The stream must not be copying from or to it.
    pub(super) fn host(&self) -> &[f32] {
        if self.floats == 0 {
            return &[];
        }
        // SAFETY: the memory is of so many floats, was written in `new`, and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.host.0, self.floats) }
    }

    /// The host's side, to be written; as [`host`](Self::host).
    pub(super) fn host_mut(&mut self) -> &mut [f32] {
        if self.floats == 0 {
            return &mut [];
        }
        // SAFETY: as in `host`, and nobody else has it.
        unsafe { std::slice::from_raw_parts_mut(self.host.0, self.floats) }
    }

    /// Where the float number `at` is on the device, `at` being at most [`floats`](Self::floats).
    pub(super) fn on_device(&self, at: usize) -> *mut c_void {
        let address = self.pointer + (at * size_of::<f32>()) as u64;
        std::ptr::without_provenance_mut(address as usize)
    }

    /// Puts a copy of the first floats to the device into the stream.
    pub(super) fn copy_in(&self, floats: usize, stream: Stream) -> Result<(), Fault> {
        let bytes = floats.min(self.floats) * size_of::<f32>();
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: both sides have that many bytes, and whoever drops a buffer has waited for the stream.
        let answer =
            unsafe { (self.device.cuda.copy_in)(self.pointer, self.host.0.cast(), bytes, stream) };
        self.device.cuda_answer("cuMemcpyHtoDAsync", answer)
    }

    /// Puts a copy of the first floats from the device into the stream.
    pub(super) fn copy_out(&self, floats: usize, stream: Stream) -> Result<(), Fault> {
        let bytes = floats.min(self.floats) * size_of::<f32>();
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: as in `copy_in`.
        let answer =
            unsafe { (self.device.cuda.copy_out)(self.host.0.cast(), self.pointer, bytes, stream) };
        self.device.cuda_answer("cuMemcpyDtoHAsync", answer)
    }
}

impl Drop for Buffer {
    /// What cannot be freed stays: there is nobody to tell, and the process lives on without it.
    fn drop(&mut self) {
        let cuda = &self.device.cuda;
        if self.device.enter().is_err() {
            return;
        }
        if self.pointer != 0 {
            // SAFETY: it was allocated by this driver and is freed once; the stream is done with it (`communicator.rs`).
            unsafe { (cuda.free)(self.pointer) };
        }
        if !self.host.0.is_null() {
            // SAFETY: as above.
            unsafe { (cuda.free_host)(self.host.0.cast()) };
        }
    }
}
