//! Owns an image whose place is known and whose voxels are read only as they are resampled.
//!
//! A NIfTI file whose axes are in the patient's order is read slice by slice; whatever else is, is read whole.

use std::path::Path;

use super::{Units, is_nifti, read_dicom_in};
use crate::error::DataSetError;
use crate::nifti::NiftiFile;
use crate::orientation::{Orientation, canonical};
use crate::plausible::{Provenance, Spread};
use crate::resample::slices::SliceResampler;
use crate::resample::{Taps, Unmeasured, nearest, resample};
use crate::source::ImageSource;
use crate::volume::affine::Affine;
use crate::volume::{Geometry, Volume};

/// An image in canonical axes.
pub(crate) struct Opened {
    /// Its axes as they are stored.
    pub(crate) axes: Orientation,
    /// Where it lies, in canonical axes.
    pub(crate) geometry: Geometry,
    /// What its header tells beside that.
    pub(crate) provenance: Provenance,
    voxels: Voxels,
}

enum Voxels {
    Slices(NiftiFile),
    Whole(Vec<f32>),
}

/// What came of an image on another grid.
pub(crate) struct Resampled {
    pub(crate) voxels: Vec<f32>,
    /// How its values were spread before.
    pub(crate) spread: Spread,
}

/// Labels on another grid.
pub(crate) struct Labels {
    pub(crate) voxels: Vec<u8>,
    /// Labelled voxels before.
    pub(crate) labelled: u64,
}

impl Opened {
    /// Opens an image that is to be in these units, where it says which it is in.
    pub(crate) fn open(source: &ImageSource, units: Units) -> Result<Self, DataSetError> {
        match source {
            ImageSource::Path(path) if is_nifti(path) => Self::open_nifti(path),
            other => {
                let (volume, provenance) = read_dicom_in(other, units)?;
                Ok(Self::whole(volume, provenance))
            }
        }
    }

    fn open_nifti(path: &Path) -> Result<Self, DataSetError> {
        let file = NiftiFile::open(path)?;
        let axes = Orientation::of(&file.geometry().affine);
        let provenance = Provenance {
            has_units: false,
            is_placed: file.is_placed(),
            slices: None,
        };
        if !axes.is_in_order() {
            return Ok(Self::whole(file.read()?, provenance));
        }
        Ok(Self {
            axes,
            geometry: axes.turn(file.geometry()),
            provenance,
            voxels: Voxels::Slices(file),
        })
    }

    fn whole(volume: Volume, provenance: Provenance) -> Self {
        let axes = Orientation::of(&volume.affine);
        let volume = canonical(volume);
        Self {
            axes,
            geometry: volume.geometry(),
            provenance,
            voxels: Voxels::Whole(volume.voxels),
        }
    }

    /// Resamples along the three axes.
    pub(crate) fn resampled(
        self,
        taps: &[Vec<Taps>; 3],
        unmeasured: Unmeasured,
    ) -> Result<Resampled, DataSetError> {
        let shape = self.geometry.shape;
        let outside = unmeasured.value;
        match self.voxels {
            Voxels::Whole(mut voxels) => Ok(Resampled {
                spread: Spread::of(&voxels),
                voxels: {
                    unmeasured.fill(&mut voxels);
                    resample(&voxels, shape, taps, outside)
                },
            }),
            Voxels::Slices(file) => {
                let mut spread = Spread::default();
                let mut resampler = SliceResampler::new(shape, self.axes.reversed(), taps, outside);
                let mut filled = Vec::new();
                file.each_slice(&mut |number, slice| {
                    spread.add(slice);
                    filled.clear();
                    filled.extend_from_slice(slice);
                    unmeasured.fill(&mut filled);
                    resampler.push(&filled, number);
                })?;
                Ok(Resampled {
                    voxels: resampler.finish(),
                    spread,
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
    ) -> Result<Result<Labels, f32>, DataSetError> {
        let (shape, reversed) = (self.geometry.shape, self.axes.reversed());
        let lookups = nearest::lookups(shape, target, map);
        let (file, lookups) = match (self.voxels, lookups) {
            (Voxels::Slices(file), Some(lookups)) => (file, lookups),
            (voxels, _) => {
                let mut volume = Self { voxels, ..self }.into_volume()?;
                let labelled = whole_labels(&mut volume.voxels);
                let sampled = |labelled| Labels {
                    voxels: nearest::sample(&volume.voxels, shape, target, map),
                    labelled,
                };
                return Ok(labelled.map(sampled));
            }
        };
        let mut sampler = nearest::SliceSampler::new(shape, reversed, lookups);
        let mut labelled = Ok(0);
        let mut whole = Vec::new();
        file.each_slice(&mut |number, slice| {
            whole.clear();
            whole.extend_from_slice(slice);
            let found = whole_labels(&mut whole);
            labelled = labelled.and_then(|before| Ok(before + found?));
            sampler.push(&whole, number);
        })?;
        Ok(labelled.map(|labelled| Labels {
            voxels: sampler.finish(),
            labelled,
        }))
    }
}

/// How far a label may be from a whole number: slope and intercept of NIfTI make 0.9999999 of a 1.
const ROUNDING: f32 = 1e-3;

/// Makes labels whole numbers and counts those that are not 0; gives one that is no label, where there is one.
fn whole_labels(voxels: &mut [f32]) -> Result<u64, f32> {
    let is_label = |voxel: f32| {
        let whole = voxel.round();
        (voxel - whole).abs() <= ROUNDING && (0.0..=255.0).contains(&whole)
    };
    // Looking for the place of one only where there is one leaves the first look to vector instructions.
    let all = voxels
        .iter()
        .fold(true, |all, &voxel| all & is_label(voxel));
    if !all {
        return Err(voxels
            .iter()
            .copied()
            .find(|&voxel| !is_label(voxel))
            .unwrap_or(f32::NAN));
    }
    let mut labelled = 0;
    for voxel in voxels {
        *voxel = voxel.round();
        labelled += u64::from(*voxel != 0.0);
    }
    Ok(labelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_looked_at_to_the_last_voxel_and_made_whole() {
        for place in [0, 15, 16, 34] {
            let mut voxels = vec![3.0; 35];
            assert_eq!(whole_labels(&mut voxels), Ok(35));
            for wrong in [-1.0, 0.5, 255.9, 256.0, f32::INFINITY] {
                voxels[place] = wrong;
                assert_eq!(whole_labels(&mut voxels), Err(wrong));
            }
            // What a slope of 0.003921569, or an intercept, leaves of whole numbers.
            for (near, whole) in [
                (0.999_999_9, 1.0),
                (1.000_000_1, 1.0),
                (254.999_98, 255.0),
                (-1e-7, 0.0),
            ] {
                voxels[place] = near;
                assert_eq!(whole_labels(&mut voxels), Ok(34 + u64::from(whole != 0.0)));
                assert_eq!(voxels[place], whole);
            }
        }
    }
}
