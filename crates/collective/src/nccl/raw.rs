//! NCCL and the CUDA driver behind a safe face: the only unsafe code of this crate.
//!
//! It owns libraries, device memory, a stream and a communicator, and says what each call answered. It waits for
//! nothing: how long, and who else is looked at meanwhile, is decided above.

#![expect(
    unsafe_code,
    reason = "NCCL and the CUDA driver are C libraries, opened at run time"
)]

mod communicator;
mod device;
mod functions;
mod gpu;
mod memory;
mod survey;

pub(crate) use self::communicator::{Communicator, Hung, Piece, Plan};
pub use self::device::NcclDevice;
pub(crate) use self::device::version_text;
pub(crate) use self::functions::{ID_BYTES, UniqueId};
pub use self::gpu::{NoGpu, find_gpu};
pub use self::memory::DeviceFloats;
pub use self::survey::{DriverSurvey, GpuSurvey, nccl_version, survey_driver};

use std::fmt;

/// What a call of one of the libraries answered instead of success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub(crate) call: &'static str,
    /// The answer, in the library's words.
    pub(crate) answer: String,
    /// Whether it speaks of this machine alone, and not of what a peer or the network did.
    pub(crate) is_local: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {}", self.call, self.answer)
    }
}
