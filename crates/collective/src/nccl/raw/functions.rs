//! The C functions that are called, as their headers declare them, looked up in an opened library.
//!
//! Answers are plain integers, not enums of Rust: a later library may answer what no list of today knows.

use std::ffi::{c_char, c_int, c_uint, c_void};

use libloading::Library;

pub(super) type Communicator = *mut c_void;
pub(super) type Context = *mut c_void;
pub(super) type Stream = *mut c_void;
pub(super) type Event = *mut c_void;
pub(super) type DevicePointer = u64;

/// Bytes of NCCL's unique id.
pub(crate) const ID_BYTES: usize = 128;

/// What the ranks of a communicator find each other by.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct UniqueId(pub(crate) [u8; ID_BYTES]);

/// `ncclConfig_t` as of NCCL 2.17; a later library takes its defaults for the fields that are not there.
#[repr(C)]
pub(super) struct Config {
    size: usize,
    magic: c_uint,
    version: c_uint,
    blocking: c_int,
    cluster_size: c_int,
    least_blocks: c_int,
    most_blocks: c_int,
    net_name: *const c_char,
}

impl Config {
    const MAGIC: c_uint = 0xcafe_beef;
    const VERSION: c_uint = 21_700;
    const UNDEFINED: c_int = c_int::MIN;

    /// A communicator whose calls return at once.
    pub(super) fn non_blocking() -> Self {
        Self {
            size: size_of::<Self>(),
            magic: Self::MAGIC,
            version: Self::VERSION,
            blocking: 0,
            cluster_size: Self::UNDEFINED,
            least_blocks: Self::UNDEFINED,
            most_blocks: Self::UNDEFINED,
            net_name: std::ptr::null(),
        }
    }
}

/// `ncclSuccess` and `CUDA_SUCCESS`.
pub(super) const SUCCESS: c_int = 0;
/// `ncclInProgress`.
pub(super) const IN_PROGRESS: c_int = 7;
/// `ncclFloat32`.
pub(super) const FLOAT: c_int = 7;
/// `ncclSum`.
pub(super) const SUM: c_int = 0;
/// `CUDA_ERROR_NOT_READY`.
pub(super) const NOT_READY: c_int = 600;
/// `CU_STREAM_NON_BLOCKING`: the stream does not wait for the default stream, on which others may compute.
pub(super) const OWN_STREAM: c_uint = 1;
/// `CU_EVENT_DISABLE_TIMING`.
pub(super) const NO_TIMING: c_uint = 2;
/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `_MINOR`.
pub(super) const CAPABILITY: [c_int; 2] = [75, 76];

/// Declares a table of functions of one library, and how it is read.
macro_rules! table {
    ($(#[$doc:meta])* $table:ident: $($name:ident = $symbol:literal ($($argument:ty),*) -> $answer:ty;)*) => {
        $(#[$doc])*
        pub(super) struct $table {
            $(pub(super) $name: unsafe extern "C" fn($($argument),*) -> $answer,)*
        }

        impl $table {
            /// Looks every function up; the error is the name of one that is not there.
            pub(super) fn read(library: &Library) -> Result<Self, &'static str> {
                // SAFETY: the types are those of the libraries' headers, and a function stays where it is, since a
                // library that was opened is never closed (`device.rs`).
                Ok(unsafe { Self { $($name: look(library, $symbol)?,)* } })
            }
        }
    };
}

/// Looks one function up.
///
/// # Safety
/// `T` is a pointer to a function of the symbol's type, and is not used after the library is closed.
unsafe fn look<T: Copy>(library: &Library, symbol: &'static str) -> Result<T, &'static str> {
    // SAFETY: as this function's own contract.
    let found = unsafe { library.get::<T>(symbol) };
    found.map(|found| *found).map_err(|_| symbol)
}

table! {
    /// Functions of `libnccl.so.2`.
    Nccl:
    version = "ncclGetVersion"(*mut c_int) -> c_int;
    unique_id = "ncclGetUniqueId"(*mut UniqueId) -> c_int;
    init = "ncclCommInitRankConfig"(*mut Communicator, c_int, UniqueId, c_int, *mut Config) -> c_int;
    state = "ncclCommGetAsyncError"(Communicator, *mut c_int) -> c_int;
    abort = "ncclCommAbort"(Communicator) -> c_int;
    last_error = "ncclGetLastError"(Communicator) -> *const c_char;
    group_start = "ncclGroupStart"() -> c_int;
    group_end = "ncclGroupEnd"() -> c_int;
    send = "ncclSend"(*const c_void, usize, c_int, c_int, Communicator, Stream) -> c_int;
    receive = "ncclRecv"(*mut c_void, usize, c_int, c_int, Communicator, Stream) -> c_int;
    all_reduce = "ncclAllReduce"(*const c_void, *mut c_void, usize, c_int, c_int, Communicator, Stream) -> c_int;
}

table! {
    /// Functions of `libcuda.so.1`.
    Cuda:
    init = "cuInit"(c_uint) -> c_int;
    error_name = "cuGetErrorName"(c_int, *mut *const c_char) -> c_int;
    device = "cuDeviceGet"(*mut c_int, c_int) -> c_int;
    device_uuid = "cuDeviceGetUuid"(*mut [u8; 16], c_int) -> c_int;
    context = "cuDevicePrimaryCtxRetain"(*mut Context, c_int) -> c_int;
    use_context = "cuCtxSetCurrent"(Context) -> c_int;
    allocate = "cuMemAlloc_v2"(*mut DevicePointer, usize) -> c_int;
    free = "cuMemFree_v2"(DevicePointer) -> c_int;
    allocate_host = "cuMemAllocHost_v2"(*mut *mut c_void, usize) -> c_int;
    free_host = "cuMemFreeHost"(*mut c_void) -> c_int;
    copy_in = "cuMemcpyHtoDAsync_v2"(DevicePointer, *const c_void, usize, Stream) -> c_int;
    copy_out = "cuMemcpyDtoHAsync_v2"(*mut c_void, DevicePointer, usize, Stream) -> c_int;
    stream = "cuStreamCreate"(*mut Stream, c_uint) -> c_int;
    finish_stream = "cuStreamSynchronize"(Stream) -> c_int;
    free_stream = "cuStreamDestroy_v2"(Stream) -> c_int;
    event = "cuEventCreate"(*mut Event, c_uint) -> c_int;
    record = "cuEventRecord"(Event, Stream) -> c_int;
    query = "cuEventQuery"(Event) -> c_int;
    free_event = "cuEventDestroy_v2"(Event) -> c_int;
}

table! {
    /// Functions of `libcuda.so.1` that say what there is.
    Survey:
    init = "cuInit"(c_uint) -> c_int;
    error_name = "cuGetErrorName"(c_int, *mut *const c_char) -> c_int;
    version = "cuDriverGetVersion"(*mut c_int) -> c_int;
    count = "cuDeviceGetCount"(*mut c_int) -> c_int;
    device = "cuDeviceGet"(*mut c_int, c_int) -> c_int;
    name = "cuDeviceGetName"(*mut c_char, c_int, c_int) -> c_int;
    memory = "cuDeviceTotalMem_v2"(*mut usize, c_int) -> c_int;
    attribute = "cuDeviceGetAttribute"(*mut c_int, c_int, c_int) -> c_int;
    reaches = "cuDeviceCanAccessPeer"(*mut c_int, c_int, c_int) -> c_int;
}

#[cfg(test)]
mod tests {
    use super::*;
    use cudarc::driver::sys as cuda;
    use cudarc::nccl::sys as nccl;
    use std::mem::offset_of;

    #[test]
    fn numbers_are_those_of_the_headers() {
        assert_eq!(SUCCESS, nccl::ncclResult_t::ncclSuccess as c_int);
        assert_eq!(IN_PROGRESS, nccl::ncclResult_t::ncclInProgress as c_int);
        assert_eq!(FLOAT, nccl::ncclDataType_t::ncclFloat32 as c_int);
        assert_eq!(SUM, nccl::ncclRedOp_t::ncclSum as c_int);
        assert_eq!(SUCCESS, cuda::CUresult::CUDA_SUCCESS as c_int);
        assert_eq!(NOT_READY, cuda::CUresult::CUDA_ERROR_NOT_READY as c_int);
        let stream = cuda::CUstream_flags::CU_STREAM_NON_BLOCKING;
        assert_eq!(OWN_STREAM, stream as c_uint);
        let event = cuda::CUevent_flags::CU_EVENT_DISABLE_TIMING;
        assert_eq!(NO_TIMING, event as c_uint);
        use cuda::CUdevice_attribute::{
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
        };
        assert_eq!(CAPABILITY, [MAJOR as c_int, MINOR as c_int]);
    }

    #[test]
    fn layouts_are_those_of_the_headers() {
        type Theirs = nccl::ncclConfig_t;
        assert_eq!(size_of::<UniqueId>(), size_of::<nccl::ncclUniqueId>());
        assert_eq!(size_of::<DevicePointer>(), size_of::<cuda::CUdeviceptr>());
        assert_eq!(size_of::<[u8; 16]>(), size_of::<cuda::CUuuid>());
        assert_eq!(offset_of!(Config, size), offset_of!(Theirs, size));
        assert_eq!(offset_of!(Config, magic), offset_of!(Theirs, magic));
        assert_eq!(offset_of!(Config, version), offset_of!(Theirs, version));
        assert_eq!(offset_of!(Config, blocking), offset_of!(Theirs, blocking));
        assert_eq!(offset_of!(Config, net_name), offset_of!(Theirs, netName));
        assert!(size_of::<Config>() <= size_of::<Theirs>());
    }
}
