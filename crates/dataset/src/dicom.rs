//! Owns the reading of DICOM series: the files of one CT or PET become one image, in Hounsfield units or SUV, those of
//! a segmentation a mask.
//!
//! What a header says is checked before it is believed; names and numbers of a patient are never read.

mod clock;
mod codes;
mod geometry;
mod part10;
mod pixels;
mod segmentation;
mod slice;
mod stream;
mod study;
mod suv;

#[cfg(test)]
pub(crate) mod made;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::error::DataSetError;
use crate::plausible::Slices;
use crate::volume::Volume;
use geometry::{Arrangement, Plane};
use part10::DicomFile;
use slice::{Frame, SliceHeader};
use stream::Extent;

pub(crate) use part10::is_dicom;
pub(crate) use study::{FoundSeries, find_series};
pub use suv::{PetHeader, SuvScale, TagUsed, suv_scale};

/// Most voxels accepted, as for NIfTI.
const MOST_VOXELS: usize = 1 << 30;
/// No codec packs an image tighter than this; a series of small files that promises more is not believed.
const TIGHTEST: u64 = 8192;
/// Slices decoded before they are laid into the image together: a cache line of voxels.
const BLOCK: usize = 16;
/// Columns of a slice that are laid into the image together.
const BAND: usize = 32;

/// An image read from DICOM.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DicomImage {
    /// The voxels: axis 0 runs along rows, axis 1 along columns, axis 2 from slice to slice.
    pub(crate) volume: Volume,
    /// What the voxels count.
    pub(crate) content: Content,
    /// Slices that were found and slices that the header promises, where it promises any.
    pub(crate) slices: Option<Slices>,
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
/// `Io` where a file cannot be read; `Image`, naming the folder or the file at fault, where the files make no image:
/// no CT, PET or segmentation, several series, no place, missing or repeated slices, a tilted gantry, no way to SUV,
/// truncated or damaged pixels, an unknown transfer syntax.
pub(crate) fn read_dicom(path: &Path) -> Result<DicomImage, DataSetError> {
    read_series(path, &dicom_files(path)?)
}

/// Reads the series of some files; `path` stands for all of them.
///
/// # Errors
/// As [`read_dicom`].
pub(crate) fn read_series(path: &Path, files: &[PathBuf]) -> Result<DicomImage, DataSetError> {
    if let [file] = files
        && segmentation::is_segmentation(file)
    {
        return Ok(DicomImage {
            volume: segmentation::read(file)?,
            content: Content::Mask,
            slices: None,
        });
    }
    let series = Series::open(path, files)?;
    let suv = series.suv()?;
    let planes: Vec<Plane> = series
        .frames
        .iter()
        .map(|frame| frame.frame.plane)
        .collect();
    let arrangement = geometry::arrange(&planes).map_err(|reason| refusal(path, reason))?;
    let factor = suv.as_ref().map_or(1.0, |suv| suv.factor);
    Ok(DicomImage {
        volume: series.image(&arrangement, factor)?,
        content: suv.map_or(Content::Ct, Content::Pet),
        slices: None,
    })
}

/// Lists the DICOM files of a folder by name; a file stands for itself.
pub(crate) fn dicom_files(path: &Path) -> Result<Vec<PathBuf>, DataSetError> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let io = |source| DataSetError::Io {
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
        if file.is_file() && (named || is_dicom(&file)) && !is_directory_file(&file) {
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

fn refusal(path: &Path, reason: String) -> DataSetError {
    DataSetError::Image {
        path: path.to_path_buf(),
        reason,
    }
}

/// The headers of a series.
struct Series {
    path: PathBuf,
    files: Vec<(PathBuf, SliceHeader)>,
    frames: Vec<FrameOf>,
    bytes: u64,
}

/// A frame, and where it is stored.
struct FrameOf {
    file: usize,
    index: usize,
    frame: Frame,
}

impl Series {
    fn open(path: &Path, files: &[PathBuf]) -> Result<Self, DataSetError> {
        let mut series = Self {
            path: path.to_path_buf(),
            files: Vec::new(),
            frames: Vec::new(),
            bytes: 0,
        };
        for file in files {
            let header = part10::interpret_header(file, SliceHeader::of)?;
            series.bytes += file.metadata().map_or(0, |found| found.len());
            let index = series.files.len();
            series.frames.extend(
                header
                    .frames
                    .iter()
                    .enumerate()
                    .map(|(frame, &found)| FrameOf {
                        file: index,
                        index: frame,
                        frame: found,
                    }),
            );
            series.files.push((file.clone(), header));
        }
        series.check().map_err(|reason| refusal(path, reason))?;
        Ok(series)
    }

    /// Checks that the files are of one series and their frames of one size.
    fn check(&self) -> Result<(), String> {
        let Some((_, first)) = self.files.first() else {
            return Err("it holds no DICOM files".to_owned());
        };
        let mut names: Vec<&str> = self
            .files
            .iter()
            .map(|(_, header)| header.series.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        if names.len() > 1 {
            return Err(format!(
                "it holds {} DICOM series: give each a folder of its own, or prepare the folder as a DICOM tree",
                names.len()
            ));
        }
        let other = self.files.iter().find(|(_, header)| {
            [header.form.rows, header.form.columns] != [first.form.rows, first.form.columns]
                || header.modality != first.modality
        });
        if let Some((_, other)) = other {
            return Err(format!(
                "its slices are of {} x {} and of {} x {} pixels: give one stack of one modality",
                first.form.rows, first.form.columns, other.form.rows, other.form.columns
            ));
        }
        let voxels = first.form.count().saturating_mul(self.frames.len());
        if voxels > MOST_VOXELS || voxels as u64 / TIGHTEST > self.bytes {
            return Err(format!(
                "its {} bytes promise {voxels} voxels, more than they or {MOST_VOXELS} can hold",
                self.bytes
            ));
        }
        Ok(())
    }

    fn suv(&self) -> Result<Option<SuvScale>, DataSetError> {
        if self.files.iter().all(|(_, header)| header.modality != "PT") {
            return Ok(None);
        }
        let headers: Vec<PetHeader> = self
            .files
            .iter()
            .map(|(_, header)| header.pet.clone())
            .collect();
        suv_scale(&headers)
            .map(Some)
            .map_err(|reason| refusal(&self.path, format!("no SUV: {reason}")))
    }

    /// Decodes the frames in the order of their places.
    fn image(&self, arrangement: &Arrangement, factor: f64) -> Result<Volume, DataSetError> {
        let form = self.files[0].1.form;
        let shape = [form.columns, form.rows, arrangement.order.len()];
        let mut voxels = vec![0.0; shape.iter().product()];
        // A multi-frame file is read once, though its frames come one by one.
        let mut open: Option<(usize, DicomFile)> = None;
        for (block, order) in arrangement.order.chunks(BLOCK).enumerate() {
            let mut slices = Vec::with_capacity(BLOCK);
            for &frame in order {
                let frame = &self.frames[frame];
                let (path, _) = &self.files[frame.file];
                let file = match open.take() {
                    Some((index, file)) if index == frame.file => file,
                    _ => DicomFile::open(path)?,
                };
                slices.push(
                    self.frame(frame, &file, factor)
                        .map_err(|reason| refusal(path, reason))?,
                );
                open = Some((frame.file, file));
            }
            lay(&mut voxels, shape, block * BLOCK, &slices);
        }
        Ok(Volume {
            shape,
            voxels,
            affine: arrangement.affine,
        })
    }

    fn frame(&self, frame: &FrameOf, file: &DicomFile, factor: f64) -> Result<Vec<f32>, String> {
        let (_, header) = &self.files[frame.file];
        let Frame {
            slope, intercept, ..
        } = frame.frame;
        let stored = file.interpret(Extent::Whole, |data, _| {
            header.form.read(data, frame.index, header.frames.len())
        })?;
        let value = |stored| ((f64::from(stored) * slope + intercept) * factor) as f32;
        let values: Vec<f32> = stored.into_iter().map(value).collect();
        if values.iter().all(|value| value.is_finite()) {
            return Ok(values);
        }
        Err(format!(
            "its slope {slope} and intercept {intercept} lead out of all numbers"
        ))
    }
}

/// Lays slices into an image whose fastest axis runs from slice to slice; a band of columns at a time, so that what is
/// written stays near.
fn lay(voxels: &mut [f32], [columns, rows, depth]: [usize; 3], first: usize, slices: &[Vec<f32>]) {
    for band in (0..columns).step_by(BAND) {
        for row in 0..rows {
            for column in band..columns.min(band + BAND) {
                let start = (column * rows + row) * depth + first;
                for (voxel, slice) in voxels[start..].iter_mut().zip(slices) {
                    *voxel = slice[row * columns + column];
                }
            }
        }
    }
}
