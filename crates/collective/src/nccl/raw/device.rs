//! The opened libraries and the device: looked at before anything is asked of them, and never closed.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use libloading::Library;

use super::Fault;
use super::functions::{Cuda, ID_BYTES, IN_PROGRESS, Nccl, SUCCESS, UniqueId};
use crate::NcclError;

/// The oldest library whose communicators can be made, watched and aborted without blocking.
const OLDEST: c_int = 21_800;
/// The oldest one that can have several ranks on one device.
const SHARING: c_int = 23_003;
/// The variable by which NCCL is told to.
const SHARING_VARIABLE: &str = "NCCL_MULTI_RANK_GPU_ENABLE";
/// The first one that may have other functions under the same names.
const TOO_NEW: c_int = 30_000;

const NCCL_HELP: &str = "install NCCL 2.18 or later, or name its file with --nccl-library (collective.nccl_library for pretrain), or set collective.backend = \"tcp\"";
const CUDA_HELP: &str = "install NVIDIA's driver, or name its file with --cuda-library (collective.cuda_library for pretrain), or set collective.backend = \"tcp\"";

/// NCCL, the CUDA driver and one device; opened once a process and shared by its groups.
pub struct NcclDevice {
    pub(super) nccl: Nccl,
    pub(super) cuda: Cuda,
    context: Shareable<c_void>,
    uuid: [u8; 16],
    version: c_int,
    is_stuck: AtomicBool,
    is_declined: AtomicBool,
}

/// A pointer that the library allows to be used from any thread.
pub(super) struct Shareable<T>(pub(super) *mut T);

// SAFETY: contexts, streams and communicators are handles; the driver and NCCL take them from any thread, and what
// must not happen at the same time is kept apart by `&mut` in `communicator.rs`.
unsafe impl<T> Send for Shareable<T> {}
// SAFETY: as above; sharing a handle gives no access to what is behind it.
unsafe impl<T> Sync for Shareable<T> {}

impl NcclDevice {
    /// Opens both libraries and device `ordinal`, and looks whether they are what is needed.
    ///
    /// A name without a slash is looked for where the system looks for libraries.
    ///
    /// # Errors
    /// `NcclError::Library` for a library that is not there, too old or not the one; `NcclError::Device` if there is
    /// no such device.
    pub fn open(
        nccl_library: &str,
        cuda_library: &str,
        ordinal: usize,
    ) -> Result<Arc<Self>, NcclError> {
        let cuda = open_driver(cuda_library, Cuda::read)?;
        let (nccl, version) = open_nccl(nccl_library)?;
        let mut device = Self {
            nccl,
            cuda,
            context: Shareable(std::ptr::null_mut()),
            uuid: [0; 16],
            version,
            is_stuck: AtomicBool::new(false),
            is_declined: AtomicBool::new(false),
        };
        device
            .take(ordinal)
            .map_err(|fault| NcclError::Device { ordinal, fault })?;
        Ok(Arc::new(device))
    }

    /// Takes the device's primary context, which everything in this process that computes on the device shares.
    fn take(&mut self, ordinal: usize) -> Result<(), Fault> {
        let (cuda, mut device) = (&self.cuda, 0);
        let ordinal = c_int::try_from(ordinal).unwrap_or(c_int::MAX);
        // SAFETY: every pointer is to a local variable or a field of the type that the function fills.
        unsafe {
            self.cuda_answer("cuInit", (cuda.init)(0))?;
            self.cuda_answer("cuDeviceGet", (cuda.device)(&raw mut device, ordinal))?;
            let answer = (cuda.device_uuid)(&raw mut self.uuid, device);
            self.cuda_answer("cuDeviceGetUuid", answer)?;
            let answer = (cuda.context)(&raw mut self.context.0, device);
            self.cuda_answer("cuDevicePrimaryCtxRetain", answer)
        }
    }

    /// The library's version, as NCCL counts: 23005 is 2.30.5.
    pub(crate) fn version(&self) -> u32 {
        self.version.unsigned_abs()
    }

    /// The device's own number, the same in every process.
    pub(crate) fn uuid(&self) -> [u8; 16] {
        self.uuid
    }

    /// Whether NCCL lets another rank have the same device, which is for trying things out: it gains no speed.
    pub(crate) fn can_be_shared(&self) -> bool {
        #[expect(
            clippy::disallowed_methods,
            reason = "NCCL's own variable, which NCCL reads in this process; what is asked is what NCCL will do"
        )]
        let asked = std::env::var(SHARING_VARIABLE);
        self.version >= SHARING && asked.is_ok_and(|asked| asked == "1")
    }

    /// Notes that a communicator could not be ended, so that the device is of no more use to this process.
    pub(crate) fn give_up(&self) {
        self.is_stuck.store(true, Ordering::SeqCst);
    }

    /// Whether a communicator could not be ended.
    pub(crate) fn is_given_up(&self) -> bool {
        self.is_stuck.load(Ordering::SeqCst)
    }

    /// Notes that no communicator can be made here, so that this process offers none any more.
    pub(crate) fn decline(&self) {
        self.is_declined.store(true, Ordering::SeqCst);
    }

    /// Whether no communicator can be made here.
    pub(crate) fn is_declined(&self) -> bool {
        self.is_declined.load(Ordering::SeqCst)
    }

    /// Makes the id of a new communicator; made by one rank and told to the others.
    pub(crate) fn unique_id(&self) -> Result<UniqueId, Fault> {
        let mut id = UniqueId([0; ID_BYTES]);
        self.enter()?;
        // SAFETY: the pointer is to an id, which the function fills.
        let answer = unsafe { (self.nccl.unique_id)(&raw mut id) };
        self.nccl_answer("ncclGetUniqueId", answer).map(|()| id)
    }

    /// Makes the device the calling thread's, as every call to it needs.
    pub(super) fn enter(&self) -> Result<(), Fault> {
        // SAFETY: the context was given by the driver and is never released.
        let answer = unsafe { (self.cuda.use_context)(self.context.0) };
        self.cuda_answer("cuCtxSetCurrent", answer)
    }

    pub(super) fn cuda_answer(&self, call: &'static str, answer: c_int) -> Result<(), Fault> {
        judge_cuda(self.cuda.error_name, call, answer)
    }

    /// Success includes that the communicator is still at it: its state tells when it is done.
    pub(super) fn nccl_answer(&self, call: &'static str, code: c_int) -> Result<(), Fault> {
        if code == SUCCESS || code == IN_PROGRESS {
            return Ok(());
        }
        // SAFETY: the function takes no communicator for the last error of this thread, and gives a text of its own.
        let detail = unsafe { text((self.nccl.last_error)(std::ptr::null_mut())) };
        let name = NCCL_NAMES.get(usize::try_from(code).unwrap_or(usize::MAX));
        let mut answer = format!("{} ({code})", name.unwrap_or(&"an unknown error"));
        if let Some(detail) = detail.filter(|detail| !detail.trim().is_empty()) {
            answer.push_str(": ");
            answer.push_str(&detail.trim().replace('\n', " "));
        }
        let is_local = !PERHAPS_REMOTE.contains(&code);
        Err(Fault {
            call,
            answer,
            is_local,
        })
    }
}

impl fmt::Debug for NcclDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NcclDevice")
            .field("version", &version_text(self.version()))
            .finish_non_exhaustive()
    }
}

/// Answers that a peer or the network can bring about: a failing system call, a remote error, a time-out.
const PERHAPS_REMOTE: [c_int; 3] = [2, 6, 8];

const NCCL_NAMES: [&str; 9] = [
    "ncclSuccess",
    "ncclUnhandledCudaError",
    "ncclSystemError",
    "ncclInternalError",
    "ncclInvalidArgument",
    "ncclInvalidUsage",
    "ncclRemoteError",
    "ncclInProgress",
    "ncclTimeout",
];

/// Turns a driver's answer other than success into a fault in the driver's words.
pub(super) fn judge_cuda(
    error_name: unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int,
    call: &'static str,
    answer: c_int,
) -> Result<(), Fault> {
    if answer == SUCCESS {
        return Ok(());
    }
    let mut name = std::ptr::null();
    // SAFETY: the function sets the pointer to a text of the library's own, or leaves it.
    let name = unsafe {
        error_name(answer, &raw mut name);
        text(name)
    };
    let answer = name.map_or_else(|| answer.to_string(), |name| format!("{name} ({answer})"));
    Err(Fault {
        call,
        answer,
        is_local: true,
    })
}

/// Opens the CUDA driver and looks the functions up that are read of it.
pub(super) fn open_driver<T>(
    path: &str,
    read: impl Fn(&Library) -> Result<T, &'static str>,
) -> Result<T, NcclError> {
    open(path, read).map_err(|reason| NcclError::Library {
        name: "the CUDA driver",
        path: path.to_owned(),
        reason,
        help: CUDA_HELP,
    })
}

/// Opens NCCL and looks whether its version is one that is known here.
pub(super) fn open_nccl(path: &str) -> Result<(Nccl, c_int), NcclError> {
    let opened = open(path, Nccl::read).and_then(|nccl| {
        let version = read_version(&nccl)?;
        Ok((nccl, version))
    });
    opened.map_err(|reason| NcclError::Library {
        name: "NCCL",
        path: path.to_owned(),
        reason,
        help: NCCL_HELP,
    })
}

/// Opens a library for as long as the process lives: it has threads of its own, which must not lose their code.
pub(super) fn open<T>(
    path: &str,
    read: impl Fn(&Library) -> Result<T, &'static str>,
) -> Result<T, String> {
    // SAFETY: opening runs the library's own initialisation; which file that is, the one who set the job up decides.
    let library = unsafe { Library::new(path) };
    let library = library.map_err(|error| format!("cannot be opened: {}", cause(&error)))?;
    let functions = read(&library).map_err(|name| format!("has no function {name}"));
    std::mem::forget(library);
    functions
}

/// What the system says of a file that it could not open, which is the innermost of the error's causes.
fn cause(error: &dyn std::error::Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), cause)
        .replace('\n', " ")
}

fn read_version(nccl: &Nccl) -> Result<c_int, String> {
    let mut version = 0;
    // SAFETY: the pointer is to a number, which the function fills.
    let answer = unsafe { (nccl.version)(&raw mut version) };
    if answer != SUCCESS {
        return Err(format!("answers ncclGetVersion with error {answer}"));
    }
    let found = version_text(version.unsigned_abs());
    match version {
        ..OLDEST => Err(format!("is version {found}, older than 2.18")),
        TOO_NEW.. => Err(format!("is version {found}, and only 2 is known here")),
        _ => Ok(version),
    }
}

/// A version for people; before 2.9 NCCL counted otherwise.
pub(crate) fn version_text(version: u32) -> String {
    let (major, minor) = match version {
        ..10_000 => (version / 1000, version / 100 % 10),
        _ => (version / 10_000, version / 100 % 100),
    };
    format!("{major}.{minor}.{}", version % 100)
}

/// Copies a text that a library owns.
///
/// # Safety
/// The pointer is null or leads to a text that ends with a zero and does not change meanwhile.
unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: as this function's own contract.
    (!text.is_null()).then(|| {
        unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_as_people_write_them() {
        assert_eq!(version_text(23_005), "2.30.5");
        assert_eq!(version_text(21_803), "2.18.3");
        assert_eq!(version_text(2_804), "2.8.4");
    }

    #[test]
    fn a_library_that_is_not_there_is_named_with_what_to_do() {
        let error = NcclDevice::open("libnone.so.2", "/nowhere/libcuda.so.1", 0).unwrap_err();
        let line = error.to_string();
        assert!(line.contains("/nowhere/libcuda.so.1"), "{line}");
        assert!(line.contains("collective.cuda_library"), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }
}
