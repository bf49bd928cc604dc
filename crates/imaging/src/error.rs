//! Owns the error type of this crate.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Says why an image cannot be read or written, in one line an operator can act on.
#[derive(Debug, Error)]
pub enum ImageError {
    /// A file could not be read or written.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried, as a verb: `read`, `write`, `list`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The answer of the operating system.
        source: std::io::Error,
    },
    /// A file or a series is there, but is no image this project can use.
    #[error("{} is not a usable image: {reason}", .path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and with which numbers.
        reason: String,
    },
    /// Two files bear the name of one image and hold two.
    #[error(
        "{} and {} have the same SOPInstanceUID (0008,0018) and differ: remove the wrong one",
        .other.display(),
        .path.display()
    )]
    Twice {
        /// The later of the files.
        path: PathBuf,
        other: PathBuf,
    },
    /// An image holds voxels that are not numbers.
    #[error(
        "{} holds {count} NaN or infinite voxels, the first at voxel {first:?}: export it again, or leave the case out",
        .path.display()
    )]
    NonFinite {
        path: PathBuf,
        /// How many voxels are not finite.
        count: usize,
        /// Index of the first of them, in the file's own axes.
        first: [usize; 3],
    },
    /// NIfTI cannot hold the image, or the file's name is not one of NIfTI.
    #[error("{reason}")]
    Unwritable {
        /// What does not fit.
        reason: String,
    },
}

impl ImageError {
    /// Gives the file or folder that it is about, if it is about one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::Unusable { path, .. }
            | Self::Twice { path, .. }
            | Self::NonFinite { path, .. } => Some(path),
            Self::Unwritable { .. } => None,
        }
    }

    /// Says the same without a path, which may name a patient.
    pub fn without_paths(&self) -> String {
        match self {
            Self::Io { action, source, .. } => format!("cannot {action} it: {source}"),
            Self::Unusable { reason, .. } | Self::Unwritable { reason } => reason.clone(),
            Self::Twice { .. } => {
                "an earlier file has the same SOPInstanceUID (0008,0018) and differs: remove the wrong one".to_owned()
            }
            Self::NonFinite { count, first, .. } => format!(
                "it holds {count} NaN or infinite voxels, the first at voxel {first:?}: export it again, or leave the case out"
            ),
        }
    }
}
