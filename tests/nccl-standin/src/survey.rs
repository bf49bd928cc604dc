//! The driver's functions that say what there is; none of them needs a context.

use std::ffi::{CStr, c_char, c_int};

use crate::driver::{INVALID_DEVICE, INVALID_VALUE, SUCCESS};
use crate::faults;

const NAME: &CStr = c"Stand-in GPU";
const MEMORY: usize = 80 << 30;
/// Compute capability 9.0, each number under the attribute's.
const CAPABILITY: [(c_int, c_int); 2] = [(75, 9), (76, 0)];

fn is_device(device: c_int) -> bool {
    (0..faults::n_devices()).contains(&device)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuDriverGetVersion(version: *mut c_int) -> c_int {
    // SAFETY: the caller gives a place for a number.
    unsafe { *version = faults::cuda_version() };
    SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuDeviceGetCount(count: *mut c_int) -> c_int {
    // SAFETY: the caller gives a place for a number.
    unsafe { *count = faults::n_devices() };
    SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuDeviceGetName(
    name: *mut c_char,
    length: c_int,
    device: c_int,
) -> c_int {
    let bytes = NAME.to_bytes_with_nul();
    if !is_device(device) || usize::try_from(length).is_ok_and(|length| length < bytes.len()) {
        return INVALID_VALUE;
    }
    // SAFETY: the caller gives room for `length` bytes, which are enough.
    unsafe { name.copy_from(bytes.as_ptr().cast(), bytes.len()) };
    SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) -> c_int {
    if !is_device(device) {
        return INVALID_DEVICE;
    }
    // SAFETY: the caller gives a place for a number.
    unsafe { *bytes = MEMORY };
    SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuDeviceGetAttribute(
    value: *mut c_int,
    attribute: c_int,
    device: c_int,
) -> c_int {
    let known = CAPABILITY.iter().find(|(number, _)| *number == attribute);
    let Some((_, answer)) = known.filter(|_| is_device(device)) else {
        return INVALID_VALUE;
    };
    // SAFETY: the caller gives a place for a number.
    unsafe { *value = *answer };
    SUCCESS
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn cuDeviceCanAccessPeer(
    reaches: *mut c_int,
    device: c_int,
    peer: c_int,
) -> c_int {
    if !is_device(device) || !is_device(peer) || device == peer {
        return INVALID_DEVICE;
    }
    // SAFETY: the caller gives a place for a number.
    unsafe { *reaches = c_int::from(!faults::are_apart()) };
    SUCCESS
}
