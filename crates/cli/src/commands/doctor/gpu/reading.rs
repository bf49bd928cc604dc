//! Asks the libraries and the kernel, and does not wait for a driver that hangs.

use std::fs;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use fratmae_collective::{NcclError, nccl_version, survey_driver};

use super::{Driver, Gpu};
use crate::commands::doctor::requirements::Requirements;

/// How long a driver may take to answer; a healthy one that wakes eight GPUs needs some seconds.
const PATIENCE: Duration = Duration::from_secs(30);

impl Gpu {
    /// Asks everything that can be judged.
    pub(crate) fn read(proc: &Path, need: &Requirements) -> Self {
        let library = need.cuda_library.clone();
        Self {
            is_built: cfg!(feature = "cuda"),
            module: read_module(proc),
            driver: patiently(move || driver_of(&library)),
            nccl: nccl_version(&need.nccl_library).map_err(reason),
        }
    }
}

/// A line such as `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 …`.
pub(super) fn read_module(proc: &Path) -> Option<String> {
    let text = fs::read_to_string(proc.join("driver/nvidia/version")).ok()?;
    let line = text
        .lines()
        .find(|line| line.starts_with("NVRM version:"))?;
    let is_version = |word: &&str| {
        word.contains('.')
            && word
                .bytes()
                .all(|byte| byte == b'.' || byte.is_ascii_digit())
    };
    let version = line.split_whitespace().find(is_version);
    Some(version.unwrap_or("of an unknown version").to_owned())
}

/// Asks on a thread of its own: a driver that hangs keeps that one, and not the report.
fn patiently(ask: impl FnOnce() -> Driver + Send + 'static) -> Driver {
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        // Nobody listens any more where it took too long.
        let _ = sender.send(ask());
    });
    let silent = |_| Driver::Refuses(format!("no answer within {PATIENCE:?}"));
    receiver.recv_timeout(PATIENCE).unwrap_or_else(silent)
}

fn driver_of(library: &str) -> Driver {
    match survey_driver(library) {
        Ok(survey) => Driver::Answers(survey),
        Err(NcclError::Device { fault, .. }) => Driver::Refuses(fault.to_string()),
        Err(error) => Driver::Absent(reason(error).0),
    }
}

/// What is wrong with a library, and what to do.
fn reason(error: NcclError) -> (String, String) {
    match error {
        NcclError::Library {
            path, reason, help, ..
        } => (format!("{path} {reason}"), help.to_owned()),
        other => (other.to_string(), String::new()),
    }
}
