//! Owns the error type of this crate.

use std::path::PathBuf;

use thiserror::Error;

/// Says why phantoms were not written, in one line an operator can act on.
#[derive(Debug, Error)]
pub enum PhantomError {
    /// A file could not be read or written.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried, as a verb: `read`, `write`, `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The answer of the operating system.
        source: std::io::Error,
    },
    /// The folder holds something else, or no phantom has this size.
    #[error("cannot write phantoms to {}: {reason}", .path.display())]
    Refused {
        path: PathBuf,
        /// What it holds and what was asked.
        reason: String,
    },
}
