//! Owns the making of one training case: PET, CT and label of a study on one grid, as they are stored.
//!
//! Stored values are raw SUV and HU; windows are the loader's.

mod grids;

use half::f16;

use crate::error::DataSetError;
use crate::image::Units;
use crate::image::opened::Opened;
use crate::resample::{self, AxisMap, Taps, oblique};
use crate::source::{CaseSource, ImageSource};
use crate::volume::Geometry;
use crate::volume::affine::{self, Affine};

#[cfg(test)]
mod tests;

/// What CT shows outside its field of view: air.
const AIR: f32 = -1024.0;
/// Hounsfield units kept; the range of 12-bit scanners. Whole HU are exact in `f16` up to 2048, even ones above.
const HU_RANGE: [f32; 2] = [AIR, 3071.0];
/// SUV kept: below the largest finite `f16`. Small negative values of reconstructions become 0.
const SUV_RANGE: [f32; 2] = [0.0, 60_000.0];
/// No PET reaches below this; a CT does.
const LOWEST_PET: f32 = -100.0;
/// An SUV above this is hardly one: most likely the image is in Bq/ml.
const LIKELY_SUV: f32 = 1000.0;
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
}

/// Reads a case and brings it to `grid` (R, A, S; each at least 1), which spans exactly the physical box of the PET.
///
/// Each axis averages where it shrinks and interpolates linearly where it grows. CT may have any grid: both affines
/// are honoured, and where CT does not reach, it is air (-1024). Labels take the nearest voxel.
///
/// # Errors
/// `Case`, naming the case and the image at fault, around what `read_image` refuses, `NoOverlap`, `Options` for the
/// fault of the source, and `Image` for a PET that is a CT, for a CT or labels whose header places the PET's own voxels
/// elsewhere, or for labels that are no whole numbers from 0 to 255.
pub fn prepare_case(case: &CaseSource, grid: [usize; 3]) -> Result<PreparedCase, DataSetError> {
    if let Some(reason) = case.fault.clone() {
        return Err(failed(
            case,
            String::new(),
            DataSetError::Options { reason },
        ));
    }
    let of_pet = |error| at(case, "PET", &case.pet, error);
    let pet = Opened::open(&case.pet, Units::Suv).map_err(of_pet)?;
    let (source_axes, source) = (pet.axes.code(), pet.geometry);
    let target = Target::spanning(source, grid);
    let pet = pet
        .resampled(&target.taps(&target.maps, source.shape), 0.0)
        .map_err(of_pet)?;
    check_pet(case, pet.range).map_err(of_pet)?;
    let suv = pet.voxels;
    let (ct, ct_geometry) = target
        .read_ct(case, source)
        .map_err(|error| at(case, "CT", &case.ct, error))?;
    let read_label = |label: &ImageSource| {
        target
            .label(label, source, ct_geometry)
            .map_err(|error| at(case, "label", label, error))
    };
    let label = case.label.as_ref().map(read_label).transpose()?;
    Ok(PreparedCase {
        grid,
        body: body_range(&ct, grid),
        pet: coronal(&suv, grid, |value| {
            f16::from_f32(value.clamp(SUV_RANGE[0], SUV_RANGE[1]))
        }),
        ct: coronal(&ct, grid, |value| {
            f16::from_f32(value.clamp(HU_RANGE[0], HU_RANGE[1]))
        }),
        label: label.map(|label| coronal(&label, grid, |value| value)),
        affine: target.affine,
        source_spacing: affine::spacing(&source.affine).map(|size| size as f32),
        source_shape: source.shape,
        source_axes,
    })
}

/// Names the case and the image that an error is about.
fn at(case: &CaseSource, role: &str, image: &ImageSource, error: DataSetError) -> DataSetError {
    let part = match &error {
        DataSetError::Io { path, .. }
        | DataSetError::Image { path, .. }
        | DataSetError::NonFinite { path, .. } => image.part(role, path),
        // It is of both.
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

fn check_pet(case: &CaseSource, (lowest, highest): (f32, f32)) -> Result<(), DataSetError> {
    if lowest < LOWEST_PET {
        let reason = format!(
            "as a PET it should hold SUV, but its values go down to {lowest}: is it the CT?"
        );
        return Err(refusal(&case.pet, reason));
    }
    if highest > LIKELY_SUV {
        tracing::warn!(
            case = case.case_id,
            highest,
            "PET values are too high for SUV: is the image in Bq/ml?"
        );
    }
    Ok(())
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

    /// Reads the CT, which may have any grid unless it is said to have the PET's.
    fn read_ct(
        &self,
        case: &CaseSource,
        pet: Geometry,
    ) -> Result<(Vec<f32>, Geometry), DataSetError> {
        let ct = Opened::open(&case.ct, Units::Hounsfield)?;
        let geometry = ct.geometry;
        if case.one_grid
            && let Some(reason) = grids::at_odds(geometry, &[(pet, "PET")])
        {
            return Err(refusal(&case.ct, reason));
        }
        Ok((self.ct(ct, &pet.describe_box())?, geometry))
    }

    fn ct(&self, ct: Opened, pet_box: &str) -> Result<Vec<f32>, DataSetError> {
        let geometry = ct.geometry;
        let (voxels, inside) = match self.axis_maps_to(geometry) {
            Some(maps) => {
                let taps = self.taps(&maps, geometry.shape);
                let inside = taps.iter().map(|taps| resample::inside(taps)).product();
                (ct.resampled(&taps, AIR)?.voxels, inside)
            }
            None => oblique::sample(&ct.into_volume()?, self.grid, &self.affine, AIR),
        };
        if inside == 0 {
            return Err(DataSetError::NoOverlap {
                pet: pet_box.to_owned(),
                ct: geometry.describe_box(),
            });
        }
        Ok(voxels)
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

    fn label(
        &self,
        source: &ImageSource,
        pet: Geometry,
        ct: Geometry,
    ) -> Result<Vec<u8>, DataSetError> {
        // In canonical axes, so that a centre between two voxels falls to the same one however the file lies.
        let label = Opened::open(source, Units::Mask)?;
        let refuse = |reason| refusal(source, reason);
        if let Some(reason) = grids::at_odds(label.geometry, &[(pet, "PET"), (ct, "CT")]) {
            return Err(refuse(reason));
        }
        let inverse = affine::invert(&label.geometry.affine)
            .ok_or_else(|| refuse("its affine has no inverse".to_owned()))?;
        let map = affine::compose(&inverse, &self.affine);
        label.labels(self.grid, &map)?.map_err(|value| {
            refuse(format!(
                "it holds {value}: labels are whole numbers from 0 to 255"
            ))
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
