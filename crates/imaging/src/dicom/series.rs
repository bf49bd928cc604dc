//! Owns the files of one series: their headers, which of them are slices of its stack, and the image that those make.

use std::path::{Path, PathBuf};

use super::geometry::{Arrangement, Plane};
use super::part10::{self, DicomFile};
use super::slice::{Frame, SliceHeader};
use super::stream::Extent;
use super::suv::{PetHeader, SuvScale, suv_scale};
use super::{MOST_VOXELS, TIGHTEST, copies, extent, refusal, strays};
use crate::ImageError;
use crate::provenance::SliceCount;
use crate::volume::Volume;

/// Slices decoded before they are laid into the image together: a cache line of voxels.
const BLOCK: usize = 16;
/// Columns of a slice that are laid into the image together.
const BAND: usize = 32;
/// What CT shows where nothing was measured: air, in Hounsfield units.
const AIR: f32 = -1024.0;

/// A file of slices and its header.
pub(super) struct SliceFile {
    pub(super) path: PathBuf,
    pub(super) header: SliceHeader,
}

/// The headers of a series.
pub(super) struct Series {
    path: PathBuf,
    files: Vec<SliceFile>,
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
    /// Reads the headers of a series. Localizers and copies of its images are left out.
    ///
    /// # Errors
    /// `Io` where a file cannot be read; `Unusable` where they are no slices of one series; `Twice` for two images of one
    /// name.
    pub(super) fn open(path: &Path, files: &[PathBuf]) -> Result<Self, ImageError> {
        let mut slices = Vec::new();
        for file in files {
            if let Some(header) = part10::interpret_header(file, SliceHeader::of)? {
                let path = file.clone();
                slices.push(SliceFile { path, header });
            }
        }
        if files.is_empty() {
            return Err(refusal(path, super::no_files(path)));
        }
        if slices.is_empty() {
            let reason = format!(
                "all its {} images are localizers, which show where a scan was planned",
                files.len()
            );
            return Err(refusal(path, reason));
        }
        let slices = strays::without(copies::without(slices)?);
        let bytes = slices.iter().map(|slice| {
            let found = slice.path.metadata();
            found.map_or(0, |found| found.len())
        });
        let frames = slices.iter().enumerate().flat_map(|(file, slice)| {
            let frames = slice.header.frames.iter().enumerate();
            frames.map(move |(index, &frame)| FrameOf { file, index, frame })
        });
        let series = Self {
            path: path.to_path_buf(),
            bytes: bytes.sum(),
            frames: frames.collect(),
            files: slices,
        };
        series.check().map_err(|reason| refusal(path, reason))?;
        Ok(series)
    }

    /// Checks that the files are of one series and their frames of one size.
    fn check(&self) -> Result<(), String> {
        let headers = || self.files.iter().map(|file| &file.header);
        let first = headers().next().ok_or("it has no slice")?;
        let mut names: Vec<&str> = headers().map(|header| header.series.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() > 1 {
            return Err(format!(
                "it holds {} DICOM series: give each a folder of its own, or prepare the folder as a DICOM tree",
                names.len()
            ));
        }
        let other = headers().find(|header| {
            [header.form.rows, header.form.columns] != [first.form.rows, first.form.columns]
                || header.modality != first.modality
        });
        if let Some(other) = other {
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

    /// Gives the factor to SUV of a PET.
    pub(super) fn suv(&self) -> Result<Option<SuvScale>, ImageError> {
        let headers = || self.files.iter().map(|file| &file.header);
        if headers().all(|header| header.modality != "PT") {
            return Ok(None);
        }
        let headers: Vec<PetHeader> = headers().map(|header| header.pet.clone()).collect();
        suv_scale(&headers)
            .map(Some)
            .map_err(|reason| refusal(&self.path, format!("no SUV: {reason}")))
    }

    /// Gives the places of the frames.
    pub(super) fn planes(&self) -> Vec<Plane> {
        let frames = self.frames.iter();
        frames.map(|frame| frame.frame.plane).collect()
    }

    /// Counts the slices that are there and that the headers promise, where they promise any.
    pub(super) fn extent(&self) -> Option<SliceCount> {
        let headers: Vec<&SliceHeader> = self.files.iter().map(|file| &file.header).collect();
        extent::of(&headers)
    }

    /// Decodes the frames in the order of their places.
    pub(super) fn image(
        &self,
        arrangement: &Arrangement,
        factor: Option<f64>,
    ) -> Result<Volume, ImageError> {
        let form = self.files[0].header.form;
        let shape = [form.columns, form.rows, arrangement.order.len()];
        let mut voxels = vec![0.0; shape.iter().product()];
        // A multi-frame file is read once, though its frames come one by one.
        let mut open: Option<(usize, DicomFile)> = None;
        for (block, order) in arrangement.order.chunks(BLOCK).enumerate() {
            let mut slices = Vec::with_capacity(BLOCK);
            for &frame in order {
                let frame = &self.frames[frame];
                let path = &self.files[frame.file].path;
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

    /// Decodes a frame into SUV, or without a factor into Hounsfield units. Padding is no uptake, or air.
    fn frame(
        &self,
        frame: &FrameOf,
        file: &DicomFile,
        factor: Option<f64>,
    ) -> Result<Vec<f32>, String> {
        let header = &self.files[frame.file].header;
        let Frame {
            slope, intercept, ..
        } = frame.frame;
        let stored = file.interpret(Extent::Whole, |data, _| {
            header.form.read(data, frame.index, header.frames.len())
        })?;
        let rescaled = |stored| f64::from(stored) * slope + intercept;
        let columns = header.form.columns;
        let is_padded = |padding: &super::pixels::padding::Padding| {
            factor.is_some() || padding.is_in_ct(&stored, columns, rescaled)
        };
        let padding = header.padding.filter(is_padded);
        let outside = if factor.is_some() { 0.0 } else { AIR };
        let factor = factor.unwrap_or(1.0);
        let value = |&stored: &i32| match padding {
            Some(padding) if padding.holds(stored) => outside,
            _ => (rescaled(stored) * factor) as f32,
        };
        let values: Vec<f32> = stored.iter().map(value).collect();
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
