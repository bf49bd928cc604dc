//! Owns an image whose place is known and whose voxels are read only as they are resampled.
//!
//! A NIfTI file whose axes are in the patient's order is read slice by slice; whatever else is, is read whole.

use std::path::Path;

use super::{Units, is_nifti, read_in};
use crate::error::DataSetError;
use crate::nifti::NiftiFile;
use crate::orientation::{Orientation, canonical};
use crate::resample::slices::SliceResampler;
use crate::resample::{Taps, nearest, resample};
use crate::source::ImageSource;
use crate::volume::affine::Affine;
use crate::volume::{Geometry, Volume};

/// An image in canonical axes.
pub(crate) struct Opened {
    /// Its axes as they are stored.
    pub(crate) axes: Orientation,
    /// Where it lies, in canonical axes.
    pub(crate) geometry: Geometry,
    voxels: Voxels,
}

enum Voxels {
    Slices(NiftiFile),
    Whole(Vec<f32>),
}

/// What came of an image on another grid.
pub(crate) struct Resampled {
    pub(crate) voxels: Vec<f32>,
    /// Smallest and largest value before; NaN for an image without voxels.
    pub(crate) range: (f32, f32),
}

impl Opened {
    /// Opens an image that is to be in these units, where it says which it is in.
    pub(crate) fn open(source: &ImageSource, units: Units) -> Result<Self, DataSetError> {
        match source {
            ImageSource::Path(path) if is_nifti(path) => Self::open_nifti(path),
            other => Ok(Self::whole(read_in(other, units)?)),
        }
    }

    fn open_nifti(path: &Path) -> Result<Self, DataSetError> {
        let file = NiftiFile::open(path)?;
        let axes = Orientation::of(&file.geometry().affine);
        if !axes.is_in_order() {
            return Ok(Self::whole(file.read()?));
        }
        Ok(Self {
            axes,
            geometry: axes.turn(file.geometry()),
            voxels: Voxels::Slices(file),
        })
    }

    fn whole(volume: Volume) -> Self {
        let axes = Orientation::of(&volume.affine);
        let volume = canonical(volume);
        Self {
            axes,
            geometry: volume.geometry(),
            voxels: Voxels::Whole(volume.voxels),
        }
    }

    /// Resamples along the three axes.
    pub(crate) fn resampled(
        self,
        taps: &[Vec<Taps>; 3],
        outside: f32,
    ) -> Result<Resampled, DataSetError> {
        let shape = self.geometry.shape;
        match self.voxels {
            Voxels::Whole(voxels) => Ok(Resampled {
                range: widened((f32::NAN, f32::NAN), &voxels),
                voxels: resample(&voxels, shape, taps, outside),
            }),
            Voxels::Slices(file) => {
                let mut range = (f32::NAN, f32::NAN);
                let mut resampler = SliceResampler::new(shape, self.axes.reversed(), taps, outside);
                file.each_slice(&mut |number, slice| {
                    range = widened(range, slice);
                    resampler.push(slice, number);
                })?;
                Ok(Resampled {
                    voxels: resampler.finish(),
                    range,
                })
            }
        }
    }

    /// Reads all voxels.
    pub(crate) fn into_volume(self) -> Result<Volume, DataSetError> {
        let Geometry { shape, affine } = self.geometry;
        let voxels = match self.voxels {
            Voxels::Whole(voxels) => voxels,
            Voxels::Slices(file) => canonical(file.read()?).voxels,
        };
        Ok(Volume {
            shape,
            voxels,
            affine,
        })
    }

    /// Samples labels; gives one that is no whole number from 0 to 255, where there is one.
    ///
    /// # Shapes
    /// The labels are row-major over `target`; `map` takes target indices to canonical label indices.
    pub(crate) fn labels(
        self,
        target: [usize; 3],
        map: &Affine,
    ) -> Result<Result<Vec<u8>, f32>, DataSetError> {
        let (shape, reversed) = (self.geometry.shape, self.axes.reversed());
        let lookups = nearest::lookups(shape, target, map);
        let (file, lookups) = match (self.voxels, lookups) {
            (Voxels::Slices(file), Some(lookups)) => (file, lookups),
            (voxels, _) => {
                let volume = Self { voxels, ..self }.into_volume()?;
                let sampled = || nearest::sample(&volume.voxels, shape, target, map);
                return Ok(not_a_label(&volume.voxels).map_or_else(|| Ok(sampled()), Err));
            }
        };
        let mut sampler = nearest::SliceSampler::new(shape, reversed, lookups);
        let mut wrong = None;
        file.each_slice(&mut |number, slice| {
            wrong = wrong.or_else(|| not_a_label(slice));
            sampler.push(slice, number);
        })?;
        Ok(wrong.map_or_else(|| Ok(sampler.finish()), Err))
    }
}

fn widened(range: (f32, f32), voxels: &[f32]) -> (f32, f32) {
    // Sixteen at a time, as one after the other the comparisons would wait for each other.
    let (blocks, rest) = voxels.as_chunks::<16>();
    let mut low = [range.0; 16];
    let mut high = [range.1; 16];
    for block in blocks {
        for ((low, high), &voxel) in low.iter_mut().zip(&mut high).zip(block) {
            *low = low.min(voxel);
            *high = high.max(voxel);
        }
    }
    let low = low.into_iter().chain(rest.iter().copied());
    let high = high.into_iter().chain(rest.iter().copied());
    (low.fold(f32::NAN, f32::min), high.fold(f32::NAN, f32::max))
}

fn not_a_label(voxels: &[f32]) -> Option<f32> {
    let is_label = |voxel: f32| voxel == f32::from(voxel as u8);
    // Looking for the place of one only where there is one leaves the first look to vector instructions.
    let all = voxels
        .iter()
        .fold(true, |all, &voxel| all & is_label(voxel));
    let wrong = || voxels.iter().copied().find(|&voxel| !is_label(voxel));
    if all { None } else { wrong() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_and_labels_are_looked_at_to_the_last_voxel() {
        for place in [0, 15, 16, 34] {
            let mut voxels = vec![3.0; 35];
            assert_eq!(not_a_label(&voxels), None);
            for wrong in [-1.0, 0.5, 256.0] {
                voxels[place] = wrong;
                assert_eq!(not_a_label(&voxels), Some(wrong));
                let range = widened((f32::NAN, f32::NAN), &voxels);
                assert_eq!(range, (3.0_f32.min(wrong), 3.0_f32.max(wrong)));
            }
        }
        assert_eq!(widened((-7.0, 9.0), &[1.0]), (-7.0, 9.0));
    }
}
