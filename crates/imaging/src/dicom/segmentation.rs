//! Owns the reading of a DICOM segmentation: its frames become one mask of 0 and 1, whatever the segments are called.
//!
//! Frames lie where their functional groups say; a place without a frame is empty. On which series it was drawn, and
//! whether it is the one to take, is asked by the walk through a study.

use std::path::Path;

use super::codes::{
    BITS_ALLOCATED, COLUMNS, LARGEST_FRACTION, MODALITY, PIXEL_DATA, ROWS, SEGMENTATION_TYPE,
    Syntax, printable,
};
use super::geometry::{self, Layers};
use super::part10::DicomFile;
use super::pixels::PixelForm;
use super::slice::{each_frame, plane};
use super::stream::{Elements, Extent};
use super::{MOST_VOXELS, TIGHTEST, refusal};
use crate::ImageError;
use crate::volume::Volume;

/// The modality of a segmentation.
pub(super) const SEG: &str = "SEG";

/// Says whether a file is a segmentation; one that cannot be read is none.
pub(super) fn is_segmentation(path: &Path) -> bool {
    let modality = super::part10::interpret_header(path, |data, _| Ok(data.text(MODALITY)));
    modality.is_ok_and(|modality| modality.as_deref() == Some(SEG))
}

/// Reads a segmentation: 1 wherever a segment is, 0 elsewhere, on the grid of its own frames.
///
/// # Errors
/// `Io` where the file cannot be read; `Unusable` where its frames make no image: no place, uneven steps, truncated pixels.
pub(super) fn read(path: &Path) -> Result<Volume, ImageError> {
    let file = DicomFile::open(path)?;
    file.interpret(Extent::Whole, |data, syntax| {
        mask(data, syntax, file.bytes.len() as u64)
    })
    .map_err(|reason| refusal(path, reason))
}

fn mask(data: &Elements<'_>, syntax: Syntax, bytes: u64) -> Result<Volume, String> {
    let planes = each_frame(data, |sources| plane(sources))?;
    let Layers {
        layer_of_frame,
        layers,
        affine,
    } = geometry::layers(&planes)?;
    let frames = Frames::of(data, syntax, planes.len())?;
    let [rows, columns] = [frames.rows, frames.columns];
    let voxels = (rows * columns).saturating_mul(layers);
    if voxels > MOST_VOXELS || voxels as u64 / TIGHTEST > bytes {
        return Err(format!(
            "its {bytes} bytes promise {voxels} voxels, more than they or {MOST_VOXELS} can hold"
        ));
    }
    let mut mask = vec![0.0; voxels];
    for (frame, layer) in layer_of_frame.into_iter().enumerate() {
        frames.mark(data, frame, |row, column| {
            mask[(column * rows + row) * layers + layer] = 1.0;
        })?;
    }
    Ok(Volume {
        shape: [columns, rows, layers],
        voxels: mask,
        affine,
    })
}

/// How the frames are stored.
struct Frames {
    rows: usize,
    columns: usize,
    count: usize,
    kind: Kind,
}

enum Kind {
    /// One bit a pixel, frames one after the other without a gap.
    Bits,
    /// Numbers; from this one on a pixel is of a segment.
    Numbers(PixelForm, i32),
}

impl Frames {
    fn of(data: &Elements<'_>, syntax: Syntax, count: usize) -> Result<Self, String> {
        let kind = data.text(SEGMENTATION_TYPE).unwrap_or_default();
        let half = match kind.as_str() {
            // The share of a voxel that a segment takes: it is the segment's where that is more than one half.
            "FRACTIONAL" => {
                i32::from(data.short(LARGEST_FRACTION).unwrap_or(255)).div_euclid(2) + 1
            }
            "BINARY" | "LABELMAP" => 1,
            other => {
                return Err(format!(
                    "its SegmentationType {SEGMENTATION_TYPE} is {:?}, not BINARY, FRACTIONAL or LABELMAP",
                    printable(other)
                ));
            }
        };
        if data.short(BITS_ALLOCATED) != Some(1) {
            let form = PixelForm::of(data, syntax)?;
            return Ok(Self {
                rows: form.rows,
                columns: form.columns,
                count,
                kind: Kind::Numbers(form, half),
            });
        }
        let [rows, columns] = [ROWS, COLUMNS].map(|tag| usize::from(data.short(tag).unwrap_or(0)));
        if rows == 0 || columns == 0 {
            return Err(format!("its frames are of {rows} x {columns} pixels"));
        }
        Ok(Self {
            rows,
            columns,
            count,
            kind: Kind::Bits,
        })
    }

    /// Calls `mark` with row and column of each pixel of a frame that is of a segment.
    fn mark(
        &self,
        data: &Elements<'_>,
        frame: usize,
        mut mark: impl FnMut(usize, usize),
    ) -> Result<(), String> {
        let size = self.rows * self.columns;
        let is_marked: Vec<bool> = match &self.kind {
            Kind::Numbers(form, least) => {
                let values = form.read(data, frame, self.count)?;
                values.into_iter().map(|value| value >= *least).collect()
            }
            Kind::Bits => {
                let bytes = data.native_pixels().ok_or_else(|| {
                    format!("it has no pixels {PIXEL_DATA} that are not compressed")
                })?;
                let due = (size * self.count).div_ceil(8);
                if bytes.len() < due {
                    let (count, found) = (self.count, bytes.len());
                    return Err(format!(
                        "truncated: {count} frames of {size} bits need {due} bytes of pixels, it has {found}"
                    ));
                }
                let bits = frame * size..(frame + 1) * size;
                bits.map(|bit| bytes[bit / 8] >> (bit % 8) & 1 == 1)
                    .collect()
            }
        };
        for (pixel, _) in is_marked.iter().enumerate().filter(|(_, marked)| **marked) {
            mark(pixel / self.columns, pixel % self.columns);
        }
        Ok(())
    }
}
