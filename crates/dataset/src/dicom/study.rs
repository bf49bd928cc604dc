//! Owns the walk through a tree of DICOM files: which folders hold a series, and of which study. It opens one file of
//! each folder; that all are of one series is checked when the series is read.

use std::path::{Path, PathBuf};

use super::slice::SeriesHeader;
use super::{dicom_files, part10};
use crate::error::DataSetError;

/// How deep folders are looked into: patient, study, series and as many more around them.
const DEEPEST: usize = 12;

/// A folder that holds a series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SeriesFolder {
    pub(crate) folder: PathBuf,
    /// Slices, as far as the number of files tells.
    pub(crate) slices: usize,
    pub(crate) header: SeriesHeader,
}

/// Finds the series of a tree, in the order of their paths.
///
/// # Errors
/// `Io` where a folder or file cannot be read. A folder whose first file names no series is passed over with a warning.
pub(crate) fn find_series(root: &Path) -> Result<Vec<SeriesFolder>, DataSetError> {
    let mut found = Vec::new();
    walk(root, DEEPEST, &mut found)?;
    Ok(found)
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<SeriesFolder>) -> Result<(), DataSetError> {
    let files = dicom_files(folder)?;
    if let Some(first) = files.first() {
        match part10::interpret_header(first, |data, _| SeriesHeader::of(data)) {
            Ok(header) => found.push(SeriesFolder {
                folder: folder.to_path_buf(),
                slices: header.frames * files.len(),
                header,
            }),
            Err(error @ DataSetError::Image { .. }) => tracing::warn!("passed over: {error}"),
            Err(error) => return Err(error),
        }
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Ok(());
    };
    for inner in folders(folder)? {
        walk(&inner, depth, found)?;
    }
    Ok(())
}

/// Lists the folders in a folder by name.
pub(crate) fn folders(folder: &Path) -> Result<Vec<PathBuf>, DataSetError> {
    let io = |source| DataSetError::Io {
        action: "list",
        path: folder.to_path_buf(),
        source,
    };
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}
