//! What can be wrong with keys.

use crate::role::Role;
use std::path::{Path, PathBuf};

/// Why a process has no identity that it could show.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file cannot be read or written.
    #[error("cannot {verb} {}: {cause}", path.display())]
    File {
        /// Read or write.
        verb: &'static str,
        path: PathBuf,
        cause: std::io::Error,
    },
    /// There is no certificate where one should be.
    #[error(
        "{} has no keys of a run's {role}: neither tls.crt nor {role}/tls.crt is there; `fratmae keys make` makes them",
        folder.display()
    )]
    Absent { folder: PathBuf, role: Role },
    /// Others can read what only its owner may.
    #[error("{} can be read by others (mode {mode:o}): run `chmod 600 {}`", path.display(), path.display())]
    Exposed { path: PathBuf, mode: u32 },
    /// A file is not what its name says.
    #[error("{}: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    /// The certificate is another role's.
    #[error("{} is the certificate of a run's {found}, where one of its {wanted} is needed", path.display())]
    OtherRole {
        path: PathBuf,
        found: Role,
        wanted: Role,
    },
    /// A name that cannot be a run's.
    #[error(
        "{name:?} cannot name a run in its certificates: use letters, digits, dots, dashes and underscores, 1 to 64"
    )]
    Name { name: String },
    /// There are keys already.
    #[error("{} has keys already; they are left as they are", folder.display())]
    Taken { folder: PathBuf },
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {reason}")]
    Issue { reason: String },
}

impl TrustError {
    /// A file that cannot be read.
    pub(crate) fn unread(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::File {
            verb: "read",
            path,
            cause,
        }
    }

    /// A file that cannot be written.
    pub(crate) fn unwritten(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::File {
            verb: "write",
            path,
            cause,
        }
    }

    /// A file that is not what its name says.
    pub(crate) fn damaged<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |error| Self::Damaged {
            path,
            reason: error.to_string(),
        }
    }
}

impl From<rcgen::Error> for TrustError {
    fn from(error: rcgen::Error) -> Self {
        Self::Issue {
            reason: error.to_string(),
        }
    }
}
