//! Owns the error type of this crate.

use std::path::PathBuf;

use thiserror::Error;

/// Says what went wrong with a data set, in one line an operator can act on.
#[derive(Debug, Error)]
pub enum DataSetError {
    /// A file could not be written, or a background task did not end.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// The answer of the operating system.
        source: std::io::Error,
    },
    /// There is nothing to work on.
    #[error("{place} holds no cases: {hint}")]
    Empty {
        /// The folder, table or data set.
        place: String,
        /// What to do about it.
        hint: String,
    },
    /// The object store failed.
    #[error(transparent)]
    Store(#[from] fratmae_store::StoreError),
    /// A shard could not be encoded or decoded.
    #[error("cannot {action} shard {shard}")]
    Parquet {
        /// What was tried, as a verb.
        action: &'static str,
        /// Name of the shard.
        shard: String,
        /// The answer of the Parquet library.
        source: parquet::errors::ParquetError,
    },
    /// The manifest is missing or cannot be used.
    #[error("the data set at {url} has no usable manifest: {reason}")]
    Manifest {
        /// Root of the data set.
        url: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The data set was prepared by another version of the layout.
    #[error(
        "the data set at {url} has layout version {found}, this program reads {expected}: run `fratmae prepare` again into an empty place"
    )]
    LayoutVersion {
        /// Root of the data set.
        url: String,
        /// What the manifest says.
        found: u32,
        /// What this program reads and writes.
        expected: u32,
    },
    /// Stored voxels are not those that were prepared.
    #[error(
        "slice {slice} of case {case} does not match its checksum ({shard}, row group {row_group}, byte {offset}): the object is damaged; delete it and run the same `fratmae prepare` again"
    )]
    ChecksumMismatch {
        case: String,
        /// Name of the shard.
        shard: String,
        /// Row group of the case in the shard.
        row_group: u32,
        slice: u32,
        /// Byte of the shard at which the slice's voxels begin.
        offset: u64,
    },
    /// What was asked for does not fit the data or itself.
    #[error("{reason}")]
    Options {
        /// What does not fit, and what to change.
        reason: String,
    },
}
