//! Owns the making of one training case: PET, CT and label of a study on one grid, as they are stored.
//!
//! Stored values are raw SUV and HU; windows are the loader's.

use fratmae_dataset::{Note, PreparedCase};
use fratmae_imaging::{
    Geometry, ImageError, ImageSource, OpenImage, Provenance, TargetGrid, Units, Unmeasured,
};
use half::f16;

use crate::PrepareError;
use crate::plausible::{self, LabelFigures};
use crate::source::CaseSource;

#[cfg(test)]
mod tests;

/// What CT shows outside its field of view: air.
const AIR: f32 = -1024.0;
/// What CT shows where it measured nothing. No X-ray is weakened less than by air: -2000 and -3024, which are usual outside
/// of the reconstructed circle, are padding.
const NO_TISSUE: Unmeasured = Unmeasured {
    value: AIR,
    below: -1500.0,
};
/// What PET shows where it measured nothing. Its negative values are noise.
const NO_UPTAKE: Unmeasured = Unmeasured {
    value: 0.0,
    below: f32::NEG_INFINITY,
};
/// Hounsfield units kept; the range of 12-bit scanners. Whole HU are exact in `f16` up to 2048, even ones above.
const HU_RANGE: [f32; 2] = [AIR, 3071.0];
/// SUV kept: below the largest finite `f16`, and above all that `plausible` lets through. Small negative values of reconstructions become 0.
const SUV_RANGE: [f32; 2] = [0.0, 60_000.0];
/// Tissue starts here, seen from air and lung.
const TISSUE_HU: f32 = -500.0;
/// A coronal slice belongs to the body if one in so many of its voxels is tissue.
const TISSUE_SHARE: usize = 100;

/// Reads a case and brings it to `grid` (R, A, S; each at least 1), which spans exactly the physical box of the PET.
///
/// Each axis averages where it shrinks and interpolates linearly where it grows. CT may have any grid: both affines
/// are honoured, and where CT does not reach, it is air (-1024). Labels take the nearest voxel.
///
/// # Errors
/// `Case`, naming the case and the image at fault, around what `read_image` refuses, `NoOverlap`, `Fault` for the
/// fault of the source, and `Image` for a PET that is a CT, for a CT or labels whose header places the PET's own voxels
/// elsewhere, or for labels that are no whole numbers from 0 to 255.
pub fn prepare_case(case: &CaseSource, grid: [usize; 3]) -> Result<PreparedCase, PrepareError> {
    if let Some(fault) = case.fault.clone() {
        return Err(failed(case, String::new(), PrepareError::Fault(fault)));
    }
    let of_pet = |error| at(case, "PET", &case.pet, error);
    let pet = Pet::read(case, grid).map_err(of_pet)?;
    let ct = pet
        .read_ct(case)
        .map_err(|error| at(case, "CT", &case.ct, error))?;
    let read_label = |label: &ImageSource| {
        pet.read_label(label, &ct)
            .map_err(|error| at(case, "label", label, error))
    };
    let label = case.label.as_ref().map(read_label).transpose()?;
    let (label, of_label) =
        label.map_or((None, Vec::new()), |read| (Some(read.voxels), read.notes));
    let body = plausible::judge_body(mean_in_body(&pet.voxels, &ct.voxels));
    let spacing = pet.source.spacing();
    let length = plausible::judge_length(spacing[2] * pet.source.shape[2] as f64);
    let mut notes = [pet.notes, ct.notes, of_label].concat();
    notes.extend(body.into_iter().chain(length));
    notes.sort_by_key(|note| note.kind);
    notes.dedup();
    Ok(PreparedCase {
        case_id: case.case_id.clone(),
        metadata: case.metadata.clone(),
        fold: case.fold,
        grid,
        body: body_range(&ct.voxels, grid),
        pet: coronal(&pet.voxels, grid, |value| {
            f16::from_f32(value.clamp(SUV_RANGE[0], SUV_RANGE[1]))
        }),
        ct: coronal(&ct.voxels, grid, |value| {
            f16::from_f32(value.clamp(HU_RANGE[0], HU_RANGE[1]))
        }),
        label: label.map(|label| coronal(&label, grid, |value| value)),
        affine: pet.target.geometry.affine,
        spacing: pet.target.geometry.spacing().map(|size| size as f32),
        source_spacing: spacing.map(|size| size as f32),
        source_shape: pet.source.shape,
        source_axes: pet.source_axes,
        notes,
    })
}

/// Names the case and the image that an error is about.
fn at(case: &CaseSource, role: &str, image: &ImageSource, error: PrepareError) -> PrepareError {
    let part = match &error {
        // It is about both images.
        PrepareError::NoOverlap { .. } => String::new(),
        PrepareError::Image(error) => match error.path() {
            Some(path) => image.part(role, path),
            None => format!("the {role}"),
        },
        _ => format!("the {role}"),
    };
    failed(case, part, error)
}

fn failed(case: &CaseSource, part: String, source: PrepareError) -> PrepareError {
    PrepareError::Case {
        case: case.case_id.clone(),
        part,
        source: Box::new(source),
    }
}

fn refusal(image: &ImageSource, reason: String) -> PrepareError {
    let path = image.path().to_path_buf();
    ImageError::Unusable { path, reason }.into()
}

/// Averages SUV where the CT shows the body; 0 where it shows none.
fn mean_in_body(suv: &[f32], hu: &[f32]) -> f32 {
    let inside = suv.iter().zip(hu).filter(|(_, hu)| **hu > TISSUE_HU);
    let (sum, count) = inside.fold((0.0, 0_u64), |(sum, count), (suv, _)| {
        (sum + f64::from(*suv), count + 1)
    });
    (sum / count.max(1) as f64) as f32
}

/// A PET on the grid, which the other images are brought to.
struct Pet {
    voxels: Vec<f32>,
    source: Geometry,
    source_axes: String,
    provenance: Provenance,
    target: TargetGrid,
    notes: Vec<Note>,
}

/// A CT or a label on the grid of the PET.
struct Beside<T> {
    voxels: Vec<T>,
    source: Geometry,
    notes: Vec<Note>,
}

impl Pet {
    fn read(case: &CaseSource, grid: [usize; 3]) -> Result<Self, PrepareError> {
        let image = OpenImage::open(&case.pet, Units::Suv)?;
        let (source_axes, source) = (image.axes_code(), image.geometry());
        let provenance = image.provenance();
        let target = TargetGrid::spanning(source, grid);
        let resampled = target.resample_reference(image, NO_UPTAKE)?;
        let notes = plausible::judge_pet(provenance, &resampled.spread)
            .map_err(|reason| refusal(&case.pet, reason))?;
        Ok(Self {
            voxels: resampled.voxels,
            source,
            source_axes,
            provenance,
            target,
            notes,
        })
    }

    /// Reads the CT, which may have any grid unless it is said to have the PET's.
    fn read_ct(&self, case: &CaseSource) -> Result<Beside<f32>, PrepareError> {
        let image = OpenImage::open(&case.ct, Units::Hounsfield)?;
        let (source, provenance) = (image.geometry(), image.provenance());
        let refuse = |reason| refusal(&case.ct, reason);
        if case.one_grid
            && let Some(reason) = source.misplaced_beside(&[(self.source, "PET")])
        {
            return Err(refuse(reason));
        }
        let sampled = self.target.resample(image, NO_TISSUE)?;
        if sampled.inside == 0 {
            return Err(self.apart("CT", source, "check that both are of one study"));
        }
        let place = plausible::judge_place(self.provenance, provenance).map_err(refuse)?;
        let mut notes = plausible::judge_ct(provenance, &sampled.spread).map_err(refuse)?;
        notes.extend(place);
        notes.extend(sampled.reach.and_then(plausible::judge_reach));
        Ok(Beside {
            voxels: sampled.voxels,
            source,
            notes,
        })
    }

    fn read_label(
        &self,
        label: &ImageSource,
        ct: &Beside<f32>,
    ) -> Result<Beside<u8>, PrepareError> {
        // In canonical axes, so that a centre between two voxels falls to the same one however the file lies.
        let image = OpenImage::open(label, Units::Mask)?;
        let (source, provenance) = (image.geometry(), image.provenance());
        let refuse = |reason| refusal(label, reason);
        let others = [(self.source, "PET"), (ct.source, "CT")];
        if let Some(reason) = source.misplaced_beside(&others) {
            return Err(refuse(reason));
        }
        if !self.source.overlaps(source) {
            let advice = "check that both are of one study, and that the label kept its geometry";
            return Err(self.apart("label", source, advice));
        }
        let place = plausible::judge_place(self.provenance, provenance).map_err(refuse)?;
        let labels = self.target.labels(image)?;
        let after = labels.voxels.iter().filter(|&&voxel| voxel != 0).count();
        let voxel = self.target.geometry.millilitres();
        let kept = plausible::judge_label(LabelFigures {
            before: labels.labelled as f64 * source.millilitres(),
            after: after as f64 * voxel,
            voxel,
        });
        Ok(Beside {
            voxels: labels.voxels,
            source,
            notes: place.into_iter().chain(kept).collect(),
        })
    }

    fn apart(&self, image: &'static str, other: Geometry, advice: &'static str) -> PrepareError {
        PrepareError::NoOverlap {
            image,
            pet: self.source.describe_box(),
            other: other.describe_box(),
            advice,
        }
    }
}

/// Brings (R, A, S) to (A, R, S), converting each value.
fn coronal<T: Copy, U>(values: &[T], grid: [usize; 3], convert: impl Fn(T) -> U) -> Vec<U> {
    let [right, anterior, superior] = grid;
    let mut result = Vec::with_capacity(values.len());
    for a in 0..anterior {
        for r in 0..right {
            let start = (r * anterior + a) * superior;
            result.extend(
                values[start..start + superior]
                    .iter()
                    .map(|&value| convert(value)),
            );
        }
    }
    result
}

/// Finds the longest run of coronal slices that show tissue, so that a table apart from the body does not count;
/// the whole range where no slice does.
fn body_range(ct: &[f32], grid: [usize; 3]) -> [u32; 2] {
    let [right, anterior, superior] = grid;
    let mut tissue = vec![0; anterior];
    for (line, values) in ct.chunks_exact(superior).enumerate() {
        tissue[line % anterior] += values.iter().filter(|&&value| value > TISSUE_HU).count();
    }
    let mut longest = 0..0;
    let mut start = 0;
    for (slice, count) in tissue.into_iter().enumerate() {
        if count * TISSUE_SHARE < right * superior || count == 0 {
            start = slice + 1;
        } else if slice + 1 - start > longest.len() {
            longest = start..slice + 1;
        }
    }
    if longest.is_empty() {
        [0, anterior as u32 - 1]
    } else {
        [longest.start as u32, longest.end as u32 - 1]
    }
}
