//! The driver's functions. Most need a current context, as the real ones do.

use std::alloc::{Layout, alloc, dealloc};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::sync::{Mutex, PoisonError};

use crate::faults;
use crate::stream::{Event, Stream};

pub(crate) const SUCCESS: c_int = 0;
pub(crate) const INVALID_VALUE: c_int = 1;
const NO_DEVICE: c_int = 100;
pub(crate) const INVALID_DEVICE: c_int = 101;
const INVALID_CONTEXT: c_int = 201;
const NOT_READY: c_int = 600;

/// The address of the one context; it is never looked into.
const CONTEXT: usize = 0x1000;

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// What is allocated, so that what is freed can be looked at.
static MEMORY: Mutex<BTreeMap<usize, Layout>> = Mutex::new(BTreeMap::new());

fn in_context(body: impl FnOnce() -> c_int) -> c_int {
    if CURRENT.get() == CONTEXT {
        body()
    } else {
        INVALID_CONTEXT
    }
}

fn allocate(bytes: usize) -> Option<usize> {
    let layout = Layout::from_size_align(bytes, 256).ok()?;
    if bytes == 0 {
        return None;
    }
    // SAFETY: the layout has a size.
    let pointer = unsafe { alloc(layout) };
    if pointer.is_null() {
        return None;
    }
    let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    memory.insert(pointer.expose_provenance(), layout);
    Some(pointer.expose_provenance())
}

fn free(address: usize) -> c_int {
    let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(layout) = memory.remove(&address) else {
        return INVALID_VALUE;
    };
    // SAFETY: it was allocated with this layout and is freed once.
    unsafe { dealloc(std::ptr::with_exposed_provenance_mut(address), layout) };
    SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuInit(_flags: c_uint) -> c_int {
    if faults::has_device() {
        SUCCESS
    } else {
        NO_DEVICE
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuGetErrorName(error: c_int, name: *mut *const c_char) -> c_int {
    let text = match error {
        SUCCESS => c"CUDA_SUCCESS",
        INVALID_VALUE => c"CUDA_ERROR_INVALID_VALUE",
        NO_DEVICE => c"CUDA_ERROR_NO_DEVICE",
        INVALID_DEVICE => c"CUDA_ERROR_INVALID_DEVICE",
        INVALID_CONTEXT => c"CUDA_ERROR_INVALID_CONTEXT",
        NOT_READY => c"CUDA_ERROR_NOT_READY",
        _ => return INVALID_VALUE,
    };
    // SAFETY: the caller gives a place for a pointer.
    unsafe { *name = text.as_ptr() };
    SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuDeviceGet(device: *mut c_int, ordinal: c_int) -> c_int {
    if !(0..faults::n_devices()).contains(&ordinal) {
        return INVALID_DEVICE;
    }
    // SAFETY: the caller gives a place for a number.
    unsafe { *device = ordinal };
    SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuDeviceGetUuid(uuid: *mut [u8; 16], device: c_int) -> c_int {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&faults::device().to_le_bytes());
    bytes[8..12].copy_from_slice(&device.to_le_bytes());
    // SAFETY: the caller gives a place for it.
    unsafe { *uuid = bytes };
    SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuDevicePrimaryCtxRetain(
    context: *mut *mut c_void,
    _device: c_int,
) -> c_int {
    // SAFETY: the caller gives a place for a pointer.
    unsafe { *context = std::ptr::without_provenance_mut(CONTEXT) };
    SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuCtxSetCurrent(context: *mut c_void) -> c_int {
    CURRENT.set(context.addr());
    SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuMemAlloc_v2(pointer: *mut u64, bytes: usize) -> c_int {
    in_context(|| {
        let Some(address) = allocate(bytes) else {
            return INVALID_VALUE;
        };
        // SAFETY: the caller gives a place for it.
        unsafe { *pointer = address as u64 };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuMemFree_v2(pointer: u64) -> c_int {
    in_context(|| free(pointer as usize))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuMemAllocHost_v2(
    pointer: *mut *mut c_void,
    bytes: usize,
) -> c_int {
    in_context(|| {
        let Some(address) = allocate(bytes) else {
            return INVALID_VALUE;
        };
        // SAFETY: the caller gives a place for it.
        unsafe { *pointer = std::ptr::with_exposed_provenance_mut(address) };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuMemFreeHost(pointer: *mut c_void) -> c_int {
    in_context(|| free(pointer.addr()))
}

fn copy(to: usize, from: usize, bytes: usize, stream: *mut c_void) -> c_int {
    in_context(|| {
        // SAFETY: the caller's stream was made by `cuStreamCreate` and is not destroyed.
        let stream = unsafe { &*stream.cast::<Stream>() };
        stream.put(move || {
            let from: *const u8 = std::ptr::with_exposed_provenance(from);
            let to: *mut u8 = std::ptr::with_exposed_provenance_mut(to);
            // SAFETY: both sides are that large and live until the stream has come here, which the caller sees to.
            unsafe { to.copy_from(from, bytes) };
        });
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuMemcpyHtoDAsync_v2(
    to: u64,
    from: *const c_void,
    bytes: usize,
    stream: *mut c_void,
) -> c_int {
    copy(to as usize, from.expose_provenance(), bytes, stream)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuMemcpyDtoHAsync_v2(
    to: *mut c_void,
    from: u64,
    bytes: usize,
    stream: *mut c_void,
) -> c_int {
    copy(to.expose_provenance(), from as usize, bytes, stream)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuStreamCreate(stream: *mut *mut c_void, _flags: c_uint) -> c_int {
    in_context(|| {
        // SAFETY: the caller gives a place for a pointer.
        unsafe { *stream = Box::into_raw(Box::new(Stream::new())).cast() };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuStreamSynchronize(stream: *mut c_void) -> c_int {
    in_context(|| {
        // SAFETY: as in `copy`.
        unsafe { &*stream.cast::<Stream>() }.finish();
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuStreamDestroy_v2(stream: *mut c_void) -> c_int {
    in_context(|| {
        if stream.is_null() {
            return INVALID_VALUE;
        }
        // SAFETY: it was made by `cuStreamCreate` and is destroyed once.
        drop(unsafe { Box::from_raw(stream.cast::<Stream>()) });
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuEventCreate(event: *mut *mut c_void, _flags: c_uint) -> c_int {
    in_context(|| {
        // SAFETY: the caller gives a place for a pointer.
        unsafe { *event = Box::into_raw(Box::new(Event::default())).cast() };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuEventRecord(event: *mut c_void, stream: *mut c_void) -> c_int {
    in_context(|| {
        // SAFETY: both were made here and are not destroyed.
        let (event, stream) = unsafe { (&*event.cast::<Event>(), &*stream.cast::<Stream>()) };
        event.record(stream);
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuEventQuery(event: *mut c_void) -> c_int {
    // SAFETY: as above.
    if unsafe { &*event.cast::<Event>() }.is_reached() {
        SUCCESS
    } else {
        NOT_READY
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuEventDestroy_v2(event: *mut c_void) -> c_int {
    in_context(|| {
        if event.is_null() {
            return INVALID_VALUE;
        }
        // SAFETY: it was made by `cuEventCreate` and is destroyed once.
        drop(unsafe { Box::from_raw(event.cast::<Event>()) });
        SUCCESS
    })
}
