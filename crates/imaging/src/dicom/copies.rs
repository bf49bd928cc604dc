//! Owns the question whether two files hold one image: exports and browsers leave copies, which count once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::part10::DicomFile;
use super::refusal;
use super::series::SliceFile;
use super::slice::SliceHeader;
use super::stream::Extent;
use crate::ImageError;

/// Leaves out files whose image was there already: of the same SOPInstanceUID, header and pixels.
///
/// # Errors
/// `Twice` for two files that name one image and hold two; `Io` and `Unusable` where one of them cannot be read.
pub(super) fn without(files: Vec<SliceFile>) -> Result<Vec<SliceFile>, ImageError> {
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<SliceFile> = Vec::with_capacity(files.len());
    for file in files {
        let Some(image) = file.header.image.clone() else {
            kept.push(file);
            continue;
        };
        match known.get(&image) {
            None => {
                known.insert(image, kept.len());
                kept.push(file);
            }
            Some(&first) if is_copy(&kept[first], &file)? => {}
            Some(&first) => return Err(twice(&kept[first].path, &file.path)),
        }
    }
    Ok(kept)
}

/// Leaves out files that are, byte for byte, one that came before.
///
/// # Errors
/// `Io` where one cannot be read.
pub(super) fn without_equal_bytes(files: &[PathBuf]) -> Result<Vec<PathBuf>, ImageError> {
    let mut kept: Vec<PathBuf> = Vec::new();
    for file in files {
        let mut is_there = false;
        for other in &kept {
            is_there |= have_equal_bytes(other, file)?;
        }
        if !is_there {
            kept.push(file.clone());
        }
    }
    Ok(kept)
}

fn have_equal_bytes(one: &Path, other: &Path) -> Result<bool, ImageError> {
    let size = |path: &Path| path.metadata().map_or(0, |found| found.len());
    Ok(size(one) == size(other) && DicomFile::open(one)?.bytes == DicomFile::open(other)?.bytes)
}

fn is_copy(one: &SliceFile, other: &SliceFile) -> Result<bool, ImageError> {
    if have_equal_bytes(&one.path, &other.path)? {
        return Ok(true);
    }
    // Pixels may be packed in another way.
    let alike = |header: &SliceHeader| SliceHeader {
        form: one.header.form,
        ..header.clone()
    };
    Ok(alike(&other.header) == one.header && pixels(one)? == pixels(other)?)
}

/// Decodes all frames of a file.
fn pixels(file: &SliceFile) -> Result<Vec<Vec<i32>>, ImageError> {
    let SliceHeader { form, frames, .. } = &file.header;
    let decoded = DicomFile::open(&file.path)?.interpret(Extent::Whole, |data, _| {
        let frame = |frame| form.read(data, frame, frames.len());
        (0..frames.len()).map(frame).collect()
    });
    decoded.map_err(|reason| refusal(&file.path, reason))
}

fn twice(other: &Path, path: &Path) -> ImageError {
    ImageError::Twice {
        path: path.to_path_buf(),
        other: other.to_path_buf(),
    }
}
