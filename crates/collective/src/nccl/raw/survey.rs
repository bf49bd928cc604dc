//! What a machine has for training on GPUs: its driver, its devices and what they reach, and the libraries' versions.
//! It makes no context and takes no memory of a device.

use std::ffi::{CStr, c_char, c_int};

use super::Fault;
use super::device::{judge_cuda, open_driver, open_nccl, version_text};
use super::functions::{CAPABILITY, Survey};
use crate::NcclError;

/// Bytes of a device's name that are read.
const NAME_BYTES: usize = 128;

/// What the CUDA driver says of its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverSurvey {
    /// The newest CUDA that it serves, major and minor.
    pub cuda: (u32, u32),
    /// The devices that this process may see, in their order.
    pub devices: Vec<GpuSurvey>,
    /// Pairs of devices of which the first does not reach the second's memory directly.
    pub apart: Vec<(usize, usize)>,
}

/// One device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuSurvey {
    pub name: String,
    /// Bytes of its memory.
    pub memory: u64,
    /// Its compute capability, major and minor.
    pub capability: (u32, u32),
}

/// Asks the driver what there is.
///
/// # Errors
/// `NcclError::Library` if it is not there or not one; `NcclError::Device` if it refuses to answer, as it does where
/// there is no device.
pub fn survey_driver(cuda_library: &str) -> Result<DriverSurvey, NcclError> {
    let driver = Driver(open_driver(cuda_library, Survey::read)?);
    driver
        .survey()
        .map_err(|(ordinal, fault)| NcclError::Device { ordinal, fault })
}

/// Opens NCCL and gives its version, which is one that communicators can be made with.
///
/// # Errors
/// `NcclError::Library` if it is not there, too old, too new or another library.
pub fn nccl_version(nccl_library: &str) -> Result<String, NcclError> {
    let (_, version) = open_nccl(nccl_library)?;
    Ok(version_text(version.unsigned_abs()))
}

/// A fault and the device that it is about; 0 if it is about the driver.
type At = (usize, Fault);

struct Driver(Survey);

impl Driver {
    fn survey(&self) -> Result<DriverSurvey, At> {
        // SAFETY: the function takes flags, of which there are none.
        let answer = unsafe { (self.0.init)(0) };
        self.judge(0, "cuInit", answer)?;
        let version = self.number(0, "cuDriverGetVersion", self.0.version)?;
        let count = self.number(0, "cuDeviceGetCount", self.0.count)?;
        let handles: Vec<c_int> = (0..count)
            .map(|ordinal| self.handle(ordinal))
            .collect::<Result<_, At>>()?;
        let devices = handles.iter().enumerate();
        Ok(DriverSurvey {
            cuda: (
                version.unsigned_abs() / 1000,
                version.unsigned_abs() % 1000 / 10,
            ),
            devices: devices
                .map(|(ordinal, handle)| self.device(ordinal, *handle))
                .collect::<Result<_, At>>()?,
            apart: self.apart(&handles)?,
        })
    }

    fn handle(&self, ordinal: c_int) -> Result<c_int, At> {
        let mut handle = 0;
        // SAFETY: the pointer is to a number, which the function fills.
        let answer = unsafe { (self.0.device)(&raw mut handle, ordinal) };
        let at = usize::try_from(ordinal).unwrap_or_default();
        self.judge(at, "cuDeviceGet", answer).map(|()| handle)
    }

    fn device(&self, at: usize, handle: c_int) -> Result<GpuSurvey, At> {
        let (mut name, mut memory) = ([0_u8; NAME_BYTES], 0_usize);
        // SAFETY: the name has room for as many bytes as are told, and the other pointer is to a number.
        let answers = unsafe {
            let room = NAME_BYTES as c_int;
            let named = (self.0.name)(name.as_mut_ptr().cast::<c_char>(), room, handle);
            (named, (self.0.memory)(&raw mut memory, handle))
        };
        self.judge(at, "cuDeviceGetName", answers.0)?;
        self.judge(at, "cuDeviceTotalMem", answers.1)?;
        let name =
            CStr::from_bytes_until_nul(&name).map(|name| name.to_string_lossy().into_owned());
        Ok(GpuSurvey {
            name: name.unwrap_or_default(),
            memory: memory as u64,
            capability: (
                self.attribute(at, CAPABILITY[0], handle)?,
                self.attribute(at, CAPABILITY[1], handle)?,
            ),
        })
    }

    fn attribute(&self, at: usize, attribute: c_int, handle: c_int) -> Result<u32, At> {
        let mut value = 0;
        // SAFETY: the pointer is to a number, which the function fills.
        let answer = unsafe { (self.0.attribute)(&raw mut value, attribute, handle) };
        self.judge(at, "cuDeviceGetAttribute", answer)?;
        Ok(value.unsigned_abs())
    }

    /// Every ordered pair of which the first does not reach the second.
    fn apart(&self, handles: &[c_int]) -> Result<Vec<(usize, usize)>, At> {
        let mut apart = Vec::new();
        for (from, one) in handles.iter().enumerate() {
            for (to, other) in handles.iter().enumerate().filter(|(to, _)| *to != from) {
                let mut reaches = 0;
                // SAFETY: the pointer is to a number, which the function fills.
                let answer = unsafe { (self.0.reaches)(&raw mut reaches, *one, *other) };
                self.judge(from, "cuDeviceCanAccessPeer", answer)?;
                if reaches == 0 {
                    apart.push((from, to));
                }
            }
        }
        Ok(apart)
    }

    /// Calls a function that fills one number.
    fn number(
        &self,
        at: usize,
        call: &'static str,
        function: unsafe extern "C" fn(*mut c_int) -> c_int,
    ) -> Result<c_int, At> {
        let mut number = 0;
        // SAFETY: the pointer is to a number, which the function fills.
        let answer = unsafe { function(&raw mut number) };
        self.judge(at, call, answer).map(|()| number)
    }

    fn judge(&self, at: usize, call: &'static str, answer: c_int) -> Result<(), At> {
        judge_cuda(self.0.error_name, call, answer).map_err(|fault| (at, fault))
    }
}
