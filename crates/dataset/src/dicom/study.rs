//! Owns the walk through a tree of DICOM files: which files make a series, and of which study it is.
//!
//! Folders and names of files say nothing: a series may lie anywhere, among others, at any depth.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::geometry::Space;
use super::slice::SeriesHeader;
use super::{is_dicom, is_directory_file, part10};
use crate::error::DataSetError;

/// How deep folders are looked into: patient, study, series and as many more around them.
const DEEPEST: usize = 12;

/// The files of one series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoundSeries {
    /// Sorted by path.
    pub(crate) files: Vec<PathBuf>,
    /// Slices of all files.
    pub(crate) slices: usize,
    /// The space that all slices take, where each says so.
    pub(crate) space: Option<Space>,
    /// What its first file says.
    pub(crate) header: SeriesHeader,
}

/// Finds the series of a tree, in the order of their first files; it opens every file.
///
/// # Errors
/// `Io` where a folder cannot be listed. A DICOM file that names no series is passed over with a warning, other files
/// and a DICOMDIR in silence.
pub(crate) fn find_series(root: &Path) -> Result<Vec<FoundSeries>, DataSetError> {
    let mut files = Vec::new();
    walk(root, DEEPEST, &mut files)?;
    files.sort();
    let headers: Vec<Option<SeriesHeader>> = files.par_iter().map(|file| header(file)).collect();
    let mut found: BTreeMap<(String, String), FoundSeries> = BTreeMap::new();
    for (file, header) in files.into_iter().zip(headers) {
        let Some(header) = header else { continue };
        match found.get_mut(&(header.study.clone(), header.series.clone())) {
            Some(series) => series.add(file, &header),
            None => {
                let name = (header.study.clone(), header.series.clone());
                found.insert(name, FoundSeries::of(file, header));
            }
        }
    }
    let mut found: Vec<FoundSeries> = found.into_values().collect();
    found.sort_by(|one, other| one.files[0].cmp(&other.files[0]));
    Ok(found)
}

impl FoundSeries {
    fn of(file: PathBuf, header: SeriesHeader) -> Self {
        Self {
            files: vec![file],
            slices: header.frames,
            space: header.space,
            header,
        }
    }

    fn add(&mut self, file: PathBuf, header: &SeriesHeader) {
        self.files.push(file);
        self.slices += header.frames;
        self.space = self.space.zip(header.space).map(|(a, b)| a.with(b));
    }

    /// Gives the folder of its first file.
    pub(crate) fn folder(&self) -> &Path {
        self.files[0].parent().unwrap_or(Path::new(""))
    }
}

fn header(file: &Path) -> Option<SeriesHeader> {
    if is_directory_file(file) || !is_dicom(file) {
        return None;
    }
    let found = part10::interpret_header(file, |data, _| SeriesHeader::of(data));
    let warn = |error: &DataSetError| tracing::warn!("passed over: {error}");
    found.inspect_err(warn).ok()
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), DataSetError> {
    let io = |source| DataSetError::Io {
        action: "list",
        path: folder.to_path_buf(),
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if !path.is_dir() {
            files.push(path);
        } else if let Some(depth) = depth.checked_sub(1) {
            walk(&path, depth, files)?;
        }
    }
    Ok(())
}
