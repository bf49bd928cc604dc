//! Owns an image whose place is known and whose voxels are read only as they are resampled.
//!
//! A NIfTI file whose axes are in the patient's order is read slice by slice; whatever else is, is read whole.

use std::path::{Path, PathBuf};

use super::{Units, is_nifti, read_dicom_in};
use crate::nifti::NiftiFile;
use crate::orientation::{Orientation, canonical};
use crate::provenance::Provenance;
use crate::resample::slices::SliceResampler;
use crate::resample::{Taps, Unmeasured, nearest, resample};
use crate::spread::Spread;
use crate::target::Labels;
use crate::volume::{Affine, Geometry, Volume};
use crate::{ImageError, ImageSource};

/// An image in canonical axes.
pub struct OpenImage {
    path: PathBuf,
    /// Its axes as they are stored.
    axes: Orientation,
    /// Where it lies, in canonical axes.
    geometry: Geometry,
    provenance: Provenance,
    voxels: Voxels,
}

enum Voxels {
    Slices(NiftiFile),
    Whole(Vec<f32>),
}

impl OpenImage {
    /// Opens an image that is to be in these units, where it says which it is in.
    ///
    /// # Errors
    /// What `read_image` says; `Unusable` for an image in other units.
    pub fn open(source: &ImageSource, units: Units) -> Result<Self, ImageError> {
        match source {
            ImageSource::Path(path) if is_nifti(path) => Self::open_nifti(path),
            other => {
                let (volume, provenance) = read_dicom_in(other, units)?;
                Ok(Self::whole(other.path(), volume, provenance))
            }
        }
    }

    /// Names the directions of its axes as they are stored, such as `LAS`.
    pub fn axes_code(&self) -> String {
        self.axes.code()
    }

    /// Gives where it lies, in canonical axes.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Gives what its header tells beside that.
    pub fn provenance(&self) -> Provenance {
        self.provenance
    }

    fn open_nifti(path: &Path) -> Result<Self, ImageError> {
        let file = NiftiFile::open(path)?;
        let axes = Orientation::of(&file.geometry().affine);
        let provenance = Provenance {
            has_units: false,
            is_placed: file.is_placed(),
            slices: None,
        };
        if !axes.is_in_order() {
            return Ok(Self::whole(path, file.read()?, provenance));
        }
        Ok(Self {
            path: path.to_path_buf(),
            axes,
            geometry: axes.turn(file.geometry()),
            provenance,
            voxels: Voxels::Slices(file),
        })
    }

    fn whole(path: &Path, volume: Volume, provenance: Provenance) -> Self {
        let axes = Orientation::of(&volume.affine);
        let volume = canonical(volume);
        Self {
            path: path.to_path_buf(),
            axes,
            geometry: volume.geometry(),
            provenance,
            voxels: Voxels::Whole(volume.voxels),
        }
    }

    pub(crate) fn refuse(&self, reason: String) -> ImageError {
        ImageError::Unusable {
            path: self.path.clone(),
            reason,
        }
    }

    /// Resamples along the three axes; also says how the values were spread before.
    pub(crate) fn resampled(
        self,
        taps: &[Vec<Taps>; 3],
        unmeasured: Unmeasured,
    ) -> Result<(Vec<f32>, Spread), ImageError> {
        let shape = self.geometry.shape;
        let outside = unmeasured.value;
        match self.voxels {
            Voxels::Whole(mut voxels) => {
                let spread = Spread::of(&voxels);
                unmeasured.fill(&mut voxels);
                Ok((resample(&voxels, shape, taps, outside), spread))
            }
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
                Ok((resampler.finish(), spread))
            }
        }
    }

    /// Reads all voxels.
    pub(crate) fn into_volume(self) -> Result<Volume, ImageError> {
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

    /// Samples labels.
    ///
    /// # Shapes
    /// The labels are row-major over `target`; `map` takes target indices to canonical label indices.
    pub(crate) fn labels(self, target: [usize; 3], map: &Affine) -> Result<Labels, ImageError> {
        let (path, shape) = (self.path.clone(), self.geometry.shape);
        let no_label = |value: f32| ImageError::Unusable {
            path,
            reason: format!("it holds {value}: labels are whole numbers from 0 to 255"),
        };
        let lookups = nearest::lookups(shape, target, map);
        let reversed = self.axes.reversed();
        let (file, lookups) = match (self.voxels, lookups) {
            (Voxels::Slices(file), Some(lookups)) => (file, lookups),
            (voxels, _) => {
                let mut volume = Self { voxels, ..self }.into_volume()?;
                return Ok(Labels {
                    labelled: whole_labels(&mut volume.voxels).map_err(no_label)?,
                    voxels: nearest::sample(&volume.voxels, shape, target, map),
                });
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
        Ok(Labels {
            labelled: labelled.map_err(no_label)?,
            voxels: sampler.finish(),
        })
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
