//! Owns the reading of DICOM series: the files of one CT or PET become one image, in Hounsfield units or SUV, those of
//! a segmentation a mask.
//!
//! What a header says is checked before it is believed; names and numbers of a patient are never read.

mod clock;
mod codes;
mod copies;
mod enhanced;
mod extent;
mod geometry;
mod part10;
mod pixels;
mod segmentation;
mod series;
mod slice;
mod strays;
mod stream;
mod study;
mod suv;
mod walk;

#[cfg(test)]
mod test_files;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::ImageError;
use crate::provenance::SliceCount;
use crate::volume::Volume;
use series::Series;

pub use geometry::Space;
pub(crate) use part10::is_dicom;
pub use slice::SeriesHeader;
pub use study::{FoundSeries, FoundTree, find_series};
pub use suv::{EnhancedPet, HeaderNumber, PetHeader, SuvScale, TagUsed, suv_scale};

/// Most voxels accepted, as for NIfTI.
const MOST_VOXELS: usize = 1 << 30;
/// No codec packs an image tighter than this; a series of small files that promises more is not believed.
const TIGHTEST: u64 = 8192;
/// An image read from DICOM.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DicomImage {
    /// The voxels: axis 0 runs along rows, axis 1 along columns, axis 2 from slice to slice.
    pub(crate) volume: Volume,
    /// What the voxels count.
    pub(crate) content: Content,
    /// Slices that were found and slices that the headers promise, where they promise any.
    pub(crate) slices: Option<SliceCount>,
}

/// What the voxels of a series count.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// SUV, and how it came from stored activity.
    Pet(SuvScale),
    /// Hounsfield units.
    Ct,
    /// 1 where a segment is, else 0.
    Mask,
}

/// Reads one series: a folder that holds its files and no other series', or one file.
///
/// Slices are placed by ImagePositionPatient and ImageOrientationPatient; slope and intercept are each slice's own.
/// Files without the mark of DICOM are passed over. PET comes out in SUV by body weight, CT in Hounsfield units, a
/// segmentation as a mask of 0 and 1.
///
/// # Errors
/// `Io` where a file cannot be read; `Unusable`, naming the folder or the file at fault, where the files make no image:
/// no CT, PET or segmentation, several series, no place, missing or repeated slices, a tilted gantry, no way to SUV,
/// truncated or damaged pixels, an unknown transfer syntax.
pub(crate) fn read_dicom(path: &Path) -> Result<DicomImage, ImageError> {
    read_series(path, &dicom_files(path)?)
}

/// Reads the series of some files; `path` stands for all of them.
///
/// # Errors
/// As [`read_dicom`].
pub(crate) fn read_series(path: &Path, files: &[PathBuf]) -> Result<DicomImage, ImageError> {
    if files
        .first()
        .is_some_and(|file| segmentation::is_segmentation(file))
    {
        return read_segmentation(path, files);
    }
    let series = Series::open(path, files)?;
    let suv = series.suv()?;
    let arrangement =
        geometry::arrange(&series.planes()).map_err(|reason| refusal(path, reason))?;
    let factor = suv.as_ref().map(|suv| suv.factor);
    Ok(DicomImage {
        volume: series.image(&arrangement, factor)?,
        slices: series.extent(),
        content: suv.map_or(Content::Ct, Content::Pet),
    })
}

fn read_segmentation(path: &Path, files: &[PathBuf]) -> Result<DicomImage, ImageError> {
    match &copies::without_equal_bytes(files)?[..] {
        [file] => Ok(DicomImage {
            volume: segmentation::read(file)?,
            content: Content::Mask,
            slices: None,
        }),
        several => Err(refusal(
            path,
            format!(
                "it holds {} files and one of them is a segmentation: give one file",
                several.len()
            ),
        )),
    }
}

/// Lists the DICOM files of a folder by name; a file stands for itself.
pub(crate) fn dicom_files(path: &Path) -> Result<Vec<PathBuf>, ImageError> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let io = |source| ImageError::Io {
        action: "list",
        path: path.to_path_buf(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(io)? {
        let file = entry.map_err(io)?.path();
        let named = file
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("dcm"));
        let is_beside = is_directory_file(&file) || is_apple_double(&file);
        if file.is_file() && (named || is_dicom(&file)) && !is_beside {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Says whether a file is the table of contents that lies on media beside the images.
fn is_directory_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.eq_ignore_ascii_case("DICOMDIR")
}

/// Says whether a file is what macOS leaves beside another one of this name on foreign disks.
fn is_apple_double(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b"._")
}

/// Counts the folders below one that hold DICOM files themselves.
fn folders_with_dicom(folder: &Path) -> usize {
    let walked = walk::walk(folder).unwrap_or_default();
    let is_below = |file: &&PathBuf| file.parent() != Some(folder);
    let found = walked.files.iter().filter(is_below);
    let mut folders: Vec<&Path> = found
        .filter(|file| is_dicom(file) && !is_directory_file(file))
        .filter_map(|file| file.parent())
        .collect();
    folders.dedup();
    folders.len()
}

/// Says that a folder holds no DICOM files, and where there are some.
fn no_files(folder: &Path) -> String {
    match folders_with_dicom(folder) {
        0 => "it holds no DICOM files".to_owned(),
        1 => "it holds no DICOM files itself, a folder below it does: name that folder".to_owned(),
        many => format!(
            "it holds no DICOM files itself, {many} folders below it do: name the one with the series, or prepare the folder as a DICOM tree"
        ),
    }
}

fn refusal(path: &Path, reason: String) -> ImageError {
    ImageError::Unusable {
        path: path.to_path_buf(),
        reason,
    }
}
