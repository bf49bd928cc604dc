//! Owns the making of one training case: PET, CT and label of a study on one grid, as they are stored.
//!
//! Stored values are raw SUV and HU; windows are the loader's.

mod grids;

use half::f16;

use crate::error::DataSetError;
use crate::image::Units;
use crate::image::opened::Opened;
use crate::plausible::{self, LabelFigures, Note, Provenance, Spread};
use crate::resample::{self, AxisMap, Taps, Unmeasured, oblique};
use crate::source::{CaseSource, ImageSource};
use crate::volume::Geometry;
use crate::volume::affine::{self, Affine};

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
/// Grids whose axes drift apart by less than this part of a CT voxel, from end to end, count as parallel.
const PARALLEL: f64 = 0.1;

/// One study on the grid of the data set.
///
/// # Shapes
/// `pet`, `ct` and `label` are row-major in the order (A, R, S): a coronal slice is contiguous, S is fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct PreparedCase {
    /// Voxels along R, A, S.
    pub grid: [usize; 3],
    /// SUV, clamped to 0..60000.
    pub pet: Vec<f16>,
    /// Hounsfield units, clamped to -1024..3071 (whole ones are exact up to 2048, even ones above).
    pub ct: Vec<f16>,
    /// Labels, where the case has them.
    pub label: Option<Vec<u8>>,
    /// Grid indices (R, A, S) to RAS+ millimetres.
    pub affine: Affine,
    /// Voxel size of the PET along its canonical axes (R, A, S), in millimetres.
    pub source_spacing: [f32; 3],
    /// Voxels of the PET along its canonical axes.
    pub source_shape: [usize; 3],
    /// Directions of the PET's stored axes, such as `LAS`.
    pub source_axes: String,
    /// First and last coronal slice (A index) that shows the body.
    pub body: [u32; 2],
    /// What is unlikely about it.
    pub notes: Vec<Note>,
}

/// Reads a case and brings it to `grid` (R, A, S; each at least 1), which spans exactly the physical box of the PET.
///
/// Each axis averages where it shrinks and interpolates linearly where it grows. CT may have any grid: both affines
/// are honoured, and where CT does not reach, it is air (-1024). Labels take the nearest voxel.
///
/// # Errors
/// `Case`, naming the case and the image at fault, around what `read_image` refuses, `NoOverlap`, `Fault` for the
/// fault of the source, and `Image` for a PET that is a CT, for a CT or labels whose header places the PET's own voxels
/// elsewhere, or for labels that are no whole numbers from 0 to 255.
pub fn prepare_case(case: &CaseSource, grid: [usize; 3]) -> Result<PreparedCase, DataSetError> {
    if let Some(fault) = case.fault.clone() {
        return Err(failed(case, String::new(), DataSetError::Fault(fault)));
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
    let spacing = affine::spacing(&pet.source.affine);
    let length = plausible::judge_length(spacing[2] * pet.source.shape[2] as f64);
    let mut notes = [pet.notes, ct.notes, of_label].concat();
    notes.extend(body.into_iter().chain(length));
    notes.sort_by_key(|note| note.kind);
    notes.dedup();
    Ok(PreparedCase {
        grid,
        body: body_range(&ct.voxels, grid),
        pet: coronal(&pet.voxels, grid, |value| {
            f16::from_f32(value.clamp(SUV_RANGE[0], SUV_RANGE[1]))
        }),
        ct: coronal(&ct.voxels, grid, |value| {
            f16::from_f32(value.clamp(HU_RANGE[0], HU_RANGE[1]))
        }),
        label: label.map(|label| coronal(&label, grid, |value| value)),
        affine: pet.target.affine,
        source_spacing: spacing.map(|size| size as f32),
        source_shape: pet.source.shape,
        source_axes: pet.source_axes,
        notes,
    })
}

/// Names the case and the image that an error is about.
fn at(case: &CaseSource, role: &str, image: &ImageSource, error: DataSetError) -> DataSetError {
    let part = match &error {
        DataSetError::Io { path, .. }
        | DataSetError::Image { path, .. }
        | DataSetError::Twice { path, .. }
        | DataSetError::NonFinite { path, .. } => image.part(role, path),
        // It is about both images.
        DataSetError::NoOverlap { .. } => String::new(),
        _ => format!("the {role}"),
    };
    failed(case, part, error)
}

fn failed(case: &CaseSource, part: String, source: DataSetError) -> DataSetError {
    DataSetError::Case {
        case: case.case_id.clone(),
        part,
        source: Box::new(source),
    }
}

fn refusal(image: &ImageSource, reason: String) -> DataSetError {
    DataSetError::Image {
        path: image.path().to_path_buf(),
        reason,
    }
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
    target: Target,
    notes: Vec<Note>,
}

/// A CT or a label on the grid of the PET.
struct Beside<T> {
    voxels: Vec<T>,
    source: Geometry,
    notes: Vec<Note>,
}

impl Pet {
    fn read(case: &CaseSource, grid: [usize; 3]) -> Result<Self, DataSetError> {
        let opened = Opened::open(&case.pet, Units::Suv)?;
        let (source_axes, source) = (opened.axes.code(), opened.geometry);
        let provenance = opened.provenance;
        let target = Target::spanning(source, grid);
        let resampled = opened.resampled(&target.taps(&target.maps, source.shape), NO_UPTAKE)?;
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
    fn read_ct(&self, case: &CaseSource) -> Result<Beside<f32>, DataSetError> {
        let ct = Opened::open(&case.ct, Units::Hounsfield)?;
        let (source, provenance) = (ct.geometry, ct.provenance);
        let refuse = |reason| refusal(&case.ct, reason);
        if case.one_grid
            && let Some(reason) = grids::at_odds(source, &[(self.source, "PET")])
        {
            return Err(refuse(reason));
        }
        let sampled = self.target.ct(ct)?;
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
    ) -> Result<Beside<u8>, DataSetError> {
        // In canonical axes, so that a centre between two voxels falls to the same one however the file lies.
        let opened = Opened::open(label, Units::Mask)?;
        let (source, provenance) = (opened.geometry, opened.provenance);
        let refuse = |reason| refusal(label, reason);
        if let Some(reason) = grids::at_odds(source, &[(self.source, "PET"), (ct.source, "CT")]) {
            return Err(refuse(reason));
        }
        if !grids::overlap(self.source, source) {
            let advice = "check that both are of one study, and that the label kept its geometry";
            return Err(self.apart("label", source, advice));
        }
        let place = plausible::judge_place(self.provenance, provenance).map_err(refuse)?;
        let inverse = affine::invert(&source.affine)
            .ok_or_else(|| refuse("its affine has no inverse".to_owned()))?;
        let map = affine::compose(&inverse, &self.target.affine);
        let labels = opened.labels(self.target.grid, &map)?.map_err(|value| {
            refuse(format!(
                "it holds {value}: labels are whole numbers from 0 to 255"
            ))
        })?;
        let after = labels.voxels.iter().filter(|&&voxel| voxel != 0).count();
        let voxel = millilitres(&self.target.affine);
        let kept = plausible::judge_label(LabelFigures {
            before: labels.labelled as f64 * millilitres(&source.affine),
            after: after as f64 * voxel,
            voxel,
        });
        Ok(Beside {
            voxels: labels.voxels,
            source,
            notes: place.into_iter().chain(kept).collect(),
        })
    }

    fn apart(&self, image: &'static str, other: Geometry, advice: &'static str) -> DataSetError {
        DataSetError::NoOverlap {
            image,
            pet: self.source.describe_box(),
            other: other.describe_box(),
            advice,
        }
    }
}

/// Gives the volume of a voxel.
fn millilitres(affine: &Affine) -> f64 {
    affine::spacing(affine).iter().product::<f64>() / 1000.0
}

/// A CT on the grid.
struct SampledCt {
    voxels: Vec<f32>,
    /// How its values were spread before.
    spread: Spread,
    /// Voxels of the grid that it reaches.
    inside: usize,
    /// The part of the grid's length that it reaches along, where its axes are the grid's.
    reach: Option<f64>,
}

/// The grid that a case is brought to.
struct Target {
    grid: [usize; 3],
    affine: Affine,
    /// From the grid to the PET, axis by axis.
    maps: [AxisMap; 3],
}

impl Target {
    fn spanning(pet: Geometry, grid: [usize; 3]) -> Self {
        let maps = [0, 1, 2].map(|axis| AxisMap::spanning(pet.shape[axis], grid[axis]));
        Self {
            grid,
            affine: affine::compose(&pet.affine, &oblique::grid_of(maps)),
            maps,
        }
    }

    fn taps(&self, maps: &[AxisMap; 3], shape: [usize; 3]) -> [Vec<Taps>; 3] {
        [0, 1, 2].map(|axis| maps[axis].taps(shape[axis], self.grid[axis]))
    }

    fn ct(&self, ct: Opened) -> Result<SampledCt, DataSetError> {
        let geometry = ct.geometry;
        let Some(maps) = self.axis_maps_to(geometry) else {
            let mut volume = ct.into_volume()?;
            let spread = Spread::of(&volume.voxels);
            NO_TISSUE.fill(&mut volume.voxels);
            let (voxels, inside) = oblique::sample(&volume, self.grid, &self.affine, AIR);
            return Ok(SampledCt {
                voxels,
                spread,
                inside,
                reach: None,
            });
        };
        let taps = self.taps(&maps, geometry.shape);
        let along = resample::inside(&taps[2]);
        let inside = taps.iter().map(|taps| resample::inside(taps)).product();
        let sampled = ct.resampled(&taps, NO_TISSUE)?;
        Ok(SampledCt {
            voxels: sampled.voxels,
            spread: sampled.spread,
            inside,
            reach: Some(along as f64 / self.grid[2] as f64),
        })
    }

    /// Gives the axis maps onto an image whose axes are parallel to the grid's, else nothing.
    fn axis_maps_to(&self, image: Geometry) -> Option<[AxisMap; 3]> {
        let map = affine::compose(&affine::invert(&image.affine)?, &self.affine);
        let drift = |row: usize, axis: usize| map[row][axis].abs() * self.grid[axis] as f64;
        let parallel =
            (0..3).all(|row| (0..3).all(|axis| row == axis || drift(row, axis) < PARALLEL));
        let along = (0..3).all(|axis| map[axis][axis] > 0.0);
        (parallel && along).then(|| {
            [0, 1, 2].map(|axis| AxisMap {
                step: map[axis][axis],
                offset: map[axis][3],
            })
        })
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
