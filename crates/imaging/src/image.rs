//! Owns the choice of the reader for an image: a folder or a file of DICOM, or NIfTI. What values mean comes with them.

pub(crate) mod open;

use std::path::Path;

use serde::Serialize;

use crate::ImageError;
use crate::ImageSource;
use crate::dicom::{self, Content, SuvScale};
use crate::nifti::read_nifti;
use crate::provenance::Provenance;
use crate::volume::Volume;

/// What voxels count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Units {
    /// Standardised uptake value by body weight.
    #[serde(rename = "SUV")]
    Suv,
    /// Hounsfield units.
    #[serde(rename = "HU")]
    Hounsfield,
    /// 1 where something was marked, else 0.
    #[serde(rename = "mask")]
    Mask,
    /// Whatever was stored: NIfTI does not say.
    #[serde(rename = "as stored")]
    AsStored,
}

/// An image as it was read, on its own grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The voxels and where they lie.
    pub volume: Volume,
    pub units: Units,
    /// How SUV came about, of a DICOM PET.
    pub suv: Option<SuvScale>,
}

/// Reads a DICOM series (a folder, or one file) or a NIfTI image.
///
/// # Errors
/// As `read_nifti`; of DICOM `Io` and `Unusable`, the latter for whatever makes no image in SUV or Hounsfield units.
pub fn read_image(path: &Path) -> Result<Image, ImageError> {
    if is_nifti(path) {
        return Ok(Image {
            volume: read_nifti(path)?,
            units: Units::AsStored,
            suv: None,
        });
    }
    Ok(Image::of(dicom::read_dicom(path)?))
}

impl Image {
    fn of(read: dicom::DicomImage) -> Self {
        let (units, suv) = match read.content {
            Content::Pet(suv) => (Units::Suv, Some(suv)),
            Content::Ct => (Units::Hounsfield, None),
            Content::Mask => (Units::Mask, None),
        };
        Self {
            volume: read.volume,
            units,
            suv,
        }
    }
}

/// Whether a path is to be read as NIfTI.
fn is_nifti(path: &Path) -> bool {
    // What is named as DICOM and is none is told so.
    let named = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("dcm"));
    // A pipe must not be opened; the reader of NIfTI refuses it.
    !path.is_dir() && (!path.is_file() || !named && !dicom::is_dicom(path))
}

/// Reads a DICOM image that must be in these units, with what its header tells beside its voxels.
pub(crate) fn read_dicom_in(
    source: &ImageSource,
    units: Units,
) -> Result<(Volume, Provenance), ImageError> {
    let read = match source {
        ImageSource::Path(path) => dicom::read_dicom(path)?,
        ImageSource::Series { folder, files } => dicom::read_series(folder, files)?,
    };
    let provenance = Provenance {
        has_units: true,
        is_placed: true,
        slices: read.slices,
    };
    let image = Image::of(read);
    if image.units == units {
        return Ok((image.volume, provenance));
    }
    let name = |units| match units {
        Units::Suv => "PET",
        Units::Hounsfield => "CT",
        Units::Mask | Units::AsStored => "segmentation",
    };
    Err(ImageError::Unusable {
        path: source.path().to_path_buf(),
        reason: format!(
            "it is a {}, and the {} was expected",
            name(image.units),
            name(units)
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_follows_from_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, b"neither").unwrap();
            path
        };
        let cases = [
            (file("a.dcm"), "no DICOM file"),
            (file("a.nii"), "header"),
            (folder.path().join("none"), "cannot read"),
        ];
        for (path, words) in cases {
            let message = read_image(&path).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }
}
