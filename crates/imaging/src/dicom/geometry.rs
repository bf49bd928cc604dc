//! Owns the place of slices in the patient: which order they have and which affine they make, or why they make none.
//!
//! Places come from position and orientation alone; instance numbers and slice locations are never asked.

use crate::volume::affine::{self, Affine};
use crate::volume::vector::{cross, dot, length, minus, plus, scale};

/// How far direction cosines may be from unit length and right angles.
const SQUARE: f64 = 1e-3;
/// How far the directions of two slices of a series may differ.
const PARALLEL: f64 = 1e-3;
/// How far, in parts of a step, a slice may lie from where even steps put it.
const JITTER: f64 = 0.1;
/// Most layers that are believed: two metres in steps of half a millimetre.
const MOST_LAYERS: f64 = 4096.0;
/// How far the stack may lean, as a tangent: half a degree.
const UPRIGHT: f64 = 0.00873;

/// One slice in DICOM's world (+x left, +y posterior, +z superior), in millimetres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Plane {
    /// Centre of the first voxel.
    pub(super) position: [f64; 3],
    /// Where a row runs to, then where a column runs to.
    pub(super) directions: [[f64; 3]; 2],
    /// Between rows, then between columns.
    pub(super) spacing: [f64; 2],
    /// Thickness, or else the distance to the next slice: asked only where there is one slice.
    pub(super) thickness: Option<f64>,
    /// From the centre of a slice to that of the next, where it is said: asked only where slices may be left out.
    pub(super) apart: Option<f64>,
}

/// A box in DICOM's world that holds slices: the least and the most of x, y and z, in millimetres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Space {
    ends: [[f64; 2]; 3],
}

impl Space {
    /// Gives the box that holds both.
    pub(super) fn with(self, other: Self) -> Self {
        let both = |axis: usize| {
            let ([a, b], [c, d]) = (self.ends[axis], other.ends[axis]);
            [a.min(c), b.max(d)]
        };
        Self {
            ends: [0, 1, 2].map(both),
        }
    }

    /// Gives how much of this the other holds, in whole hundredths.
    pub fn held_by(&self, other: &Self) -> u32 {
        let share = |axis: usize| {
            let ([a, b], [c, d]) = (self.ends[axis], other.ends[axis]);
            let common = (b.min(d) - a.max(c)).max(0.0);
            if b > a { common / (b - a) } else { 1.0 }
        };
        // Written so that what is no number is nothing.
        (100.0 * share(0) * share(1) * share(2)).round() as u32
    }
}

impl Plane {
    /// Says whether a slice lies as another, whichever way it is turned within its plane.
    pub(super) fn is_parallel(&self, other: &Self) -> bool {
        let normal = |plane: &Self| cross(plane.directions[0], plane.directions[1]);
        dot(normal(self), normal(other)).abs() > 1.0 - PARALLEL
    }

    /// Gives the box around a slice of so many rows and columns.
    pub(super) fn space(&self, [rows, columns]: [f64; 2]) -> Space {
        let [across, down] = self.directions;
        let [between_rows, between_columns] = self.spacing;
        let mut ends = self.position.map(|place| [place; 2]);
        for (x, y) in [(0.0, 1.0), (1.0, 0.0), (1.0, 1.0)] {
            let shift = plus(
                scale(across, x * columns * between_columns),
                scale(down, y * rows * between_rows),
            );
            let corner = plus(self.position, shift);
            for (end, place) in ends.iter_mut().zip(corner) {
                *end = [end[0].min(place), end[1].max(place)];
            }
        }
        Space { ends }
    }
}

/// How slices make an image whose axes 0, 1, 2 run along rows, along columns and from slice to slice.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arrangement {
    /// The slices in the order of their places.
    pub(super) order: Vec<usize>,
    /// Voxel indices to RAS+ millimetres.
    pub(super) affine: Affine,
}

/// Orders slices along their normal.
///
/// # Errors
/// Why they make no image: other directions or voxel sizes among them, two at one place, one missing, uneven steps,
/// a tilted gantry.
pub(super) fn arrange(planes: &[Plane]) -> Result<Arrangement, String> {
    let first = planes.first().ok_or("it has no slice")?;
    let directions = square(first.directions)?;
    check_alike(first, planes)?;
    let normal = cross(directions[0], directions[1]);
    let height = |index: usize| dot(planes[index].position, normal);
    let mut order: Vec<usize> = (0..planes.len()).collect();
    order.sort_by(|&a, &b| height(a).total_cmp(&height(b)));
    let step = match order[..] {
        [_] => scale(normal, single_step(first)?),
        _ => even_step(planes, &order, normal)?,
    };
    let affine = affine_of(directions, first.spacing, step, planes[order[0]].position)?;
    Ok(Arrangement { order, affine })
}

/// How frames, of which several may lie at one place and others be left out, make an image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layers {
    /// Which layer a frame lies in.
    pub(super) layer_of_frame: Vec<usize>,
    /// How many layers there are from the first frame's to the last one's.
    pub(super) layers: usize,
    /// Voxel indices to RAS+ millimetres.
    pub(super) affine: Affine,
}

/// Puts frames into layers along their normal, a step apart: the one that is said, else the smallest between any two,
/// else the thickness.
///
/// # Errors
/// As [`arrange`], but that frames may share a layer and layers may have none.
pub(super) fn layers(planes: &[Plane]) -> Result<Layers, String> {
    let first = planes.first().ok_or("it has no frame")?;
    let directions = square(first.directions)?;
    check_alike(first, planes)?;
    let normal = cross(directions[0], directions[1]);
    let heights: Vec<f64> = planes
        .iter()
        .map(|plane| dot(plane.position, normal))
        .collect();
    let lowest = heights.iter().copied().fold(f64::INFINITY, f64::min);
    let step = step_between(&heights, first)?;
    let mut layer_of_frame = Vec::with_capacity(planes.len());
    let base = minus(first.position, scale(normal, heights[0] - lowest));
    for (plane, height) in planes.iter().zip(&heights) {
        let layer = ((height - lowest) / step).round();
        let due = plus(base, scale(normal, layer * step));
        let off = length(minus(plane.position, due));
        // Also where a number is none.
        if !(off <= JITTER * step.max(1.0) && layer < MOST_LAYERS) {
            return Err(format!(
                "its frames are not in layers {step:.2} mm apart: the one at {height:.2} mm lies {off:.2} mm from its place"
            ));
        }
        layer_of_frame.push(layer as usize);
    }
    let layers = layer_of_frame.iter().max().map_or(1, |last| last + 1);
    let affine = affine_of(directions, first.spacing, scale(normal, step), base)?;
    Ok(Layers {
        layer_of_frame,
        layers,
        affine,
    })
}

fn step_between(heights: &[f64], first: &Plane) -> Result<f64, String> {
    let mut sorted = heights.to_vec();
    sorted.sort_by(f64::total_cmp);
    let gaps = sorted.windows(2).map(|pair| pair[1] - pair[0]);
    let smallest = gaps.filter(|&gap| gap > 1e-3).min_by(f64::total_cmp);
    first
        .apart
        .filter(|&apart| apart > 0.0)
        .or(smallest)
        .map_or_else(|| single_step(first), Ok)
}

/// Turns steps in DICOM's world into the affine of RAS+.
fn affine_of(
    directions: [[f64; 3]; 2],
    [rows, columns]: [f64; 2],
    step: [f64; 3],
    origin: [f64; 3],
) -> Result<Affine, String> {
    let steps = [
        scale(directions[0], columns),
        scale(directions[1], rows),
        step,
    ];
    // Subtracted rather than negated, so that no zero comes out negative.
    let ras = |[x, y, z]: [f64; 3]| [0.0 - x, 0.0 - y, z + 0.0];
    let affine = affine::from_columns(steps.map(ras), ras(origin));
    if affine::spans_space(&affine) {
        return Ok(affine);
    }
    Err(format!(
        "its voxels of {columns} x {rows} mm, {} mm apart, do not span space",
        length(step)
    ))
}

/// Checks that two directions are of unit length and at right angles; makes them so to the last digit.
fn square([row, column]: [[f64; 3]; 2]) -> Result<[[f64; 3]; 2], String> {
    let off = [
        dot(row, row) - 1.0,
        dot(column, column) - 1.0,
        dot(row, column),
    ];
    if off.iter().any(|off| off.is_nan() || off.abs() > SQUARE) {
        return Err(format!(
            "its orientation {row:?} {column:?} is no pair of directions at right angles"
        ));
    }
    Ok([row, column].map(|side| scale(side, 1.0 / dot(side, side).sqrt())))
}

fn check_alike(first: &Plane, planes: &[Plane]) -> Result<(), String> {
    for plane in planes {
        let turned = plane
            .directions
            .iter()
            .zip(first.directions)
            .any(|(a, b)| length(minus(*a, b)) > PARALLEL);
        if turned {
            return Err(format!(
                "its slices have different orientations, {:?} and {:?}: give one stack of parallel slices",
                first.directions, plane.directions
            ));
        }
        let [a, b] = [first, plane].map(|plane| plane.spacing);
        if (0..2).any(|axis| (a[axis] - b[axis]).abs() > PARALLEL * a[axis].abs()) {
            return Err(format!(
                "its slices have different voxel sizes, {a:?} and {b:?} mm"
            ));
        }
    }
    Ok(())
}

fn single_step(plane: &Plane) -> Result<f64, String> {
    plane
        .thickness
        .filter(|&thickness| thickness > 0.0)
        .ok_or_else(|| "it is one slice without a SliceThickness (0018,0050)".to_owned())
}

/// Gives the step from slice to slice where all of them are even.
fn even_step(planes: &[Plane], order: &[usize], normal: [f64; 3]) -> Result<[f64; 3], String> {
    let places: Vec<[f64; 3]> = order.iter().map(|&index| planes[index].position).collect();
    let heights: Vec<f64> = places.iter().map(|&place| dot(place, normal)).collect();
    check_steps(&heights)?;
    let last = places.len() - 1;
    let step = scale(minus(places[last], places[0]), 1.0 / last as f64);
    let across = dot(step, normal);
    let lean = length(minus(step, scale(normal, across))) / across;
    if lean.is_nan() || lean > UPRIGHT {
        return Err(format!(
            "its gantry was tilted: each slice is shifted sideways, by {:.1} degrees in all; resample it upright first",
            lean.atan().to_degrees()
        ));
    }
    for (index, &place) in places.iter().enumerate() {
        let even = plus(places[0], scale(step, index as f64));
        let off = length(minus(place, even));
        if off > JITTER * across {
            return Err(format!(
                "its slices are not evenly spaced: the one at {:.2} mm lies {off:.2} mm from its place among steps of {across:.2} mm",
                heights[index]
            ));
        }
    }
    Ok(step)
}

/// Names slices that lie at one place, and places where slices are missing.
fn check_steps(heights: &[f64]) -> Result<(), String> {
    let steps: Vec<f64> = heights.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut sorted = steps.clone();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted[sorted.len() / 2];
    for (step, height) in steps.iter().zip(heights) {
        if *step < 0.2 * usual || *step < 1e-3 {
            return Err(format!(
                "two of its slices lie at one place, {height:.2} mm along the normal: give one series, or one time of it"
            ));
        }
        if *step > 1.5 * usual {
            let missing = (step / usual).round() - 1.0;
            return Err(format!(
                "{missing} of its slices are missing after {height:.2} mm along the normal, where a step is {step:.2} mm instead of {usual:.2} mm"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stack of axial slices of 2 x 3 mm voxels at these heights.
    fn stack(heights: &[f64]) -> Vec<Plane> {
        let plane = |&height: &f64| Plane {
            position: [-10.0, -20.0, height],
            directions: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
            spacing: [3.0, 2.0],
            thickness: Some(5.0),
            apart: None,
        };
        heights.iter().map(plane).collect()
    }

    fn refusal(planes: &[Plane]) -> String {
        arrange(planes).unwrap_err()
    }

    #[test]
    fn slices_are_ordered_by_place_and_turned_from_lps_to_ras() {
        let found = arrange(&stack(&[4.0, 0.0, 8.0])).unwrap();
        assert_eq!(found.order, [1, 0, 2]);
        let expected = [
            [-2.0, 0.0, 0.0, 10.0],
            [0.0, -3.0, 0.0, 20.0],
            [0.0, 0.0, 4.0, 0.0],
        ];
        assert_eq!(found.affine, expected);
    }

    #[test]
    fn coronal_slices_step_along_their_own_normal() {
        let mut planes = stack(&[0.0, 0.0]);
        for (plane, y) in planes.iter_mut().zip([7.0, 3.0]) {
            plane.directions = [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0]];
            plane.position = [0.0, y, 0.0];
        }
        let found = arrange(&planes).unwrap();
        assert_eq!(found.order, [1, 0]);
        assert_eq!(affine::column(&found.affine, 2), [0.0, -4.0, 0.0]);
        assert_eq!(affine::column(&found.affine, 1), [0.0, 0.0, -3.0]);
    }

    #[test]
    fn small_jitter_is_spread_over_even_steps() {
        let found = arrange(&stack(&[0.0, 3.27, 6.56, 9.83])).unwrap();
        assert!((found.affine[2][2] - 9.83 / 3.0).abs() < 1e-12);
        let drifting: Vec<f64> = (0..20)
            .map(|k| f64::from(k * k) * 0.02 + f64::from(k))
            .collect();
        assert!(refusal(&stack(&drifting)).contains("not evenly spaced"));
    }

    #[test]
    fn what_makes_no_image_is_refused_with_the_reason() {
        assert!(
            refusal(&stack(&[0.0, 2.0, 4.0, 8.0, 10.0]))
                .starts_with("1 of its slices are missing after 4.00")
        );
        assert!(
            refusal(&stack(&[0.0, 2.0, 2.0, 4.0]))
                .contains("two of its slices lie at one place, 2.00")
        );
        assert!(refusal(&stack(&[1.0, 1.0])).contains("at one place"));
        let mut turned = stack(&[0.0, 2.0]);
        turned[1].directions = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
        assert!(refusal(&turned).contains("different orientations"));
        let mut other = stack(&[0.0, 2.0]);
        other[1].spacing = [3.0, 2.1];
        assert!(refusal(&other).contains("different voxel sizes"));
        let mut skewed = stack(&[0.0]);
        skewed[0].directions[1] = [0.5, 0.8, 0.0];
        assert!(refusal(&skewed).contains("right angles"));
        assert!(refusal(&[]).contains("no slice"));
    }

    #[test]
    fn a_stack_that_leans_is_a_tilted_gantry() {
        let mut planes = stack(&[0.0, 2.0, 4.0]);
        for plane in &mut planes {
            plane.position[1] += 0.25 * plane.position[2];
        }
        assert!(
            refusal(&planes).contains("tilted: each slice is shifted sideways, by 14.0 degrees")
        );
    }

    #[test]
    fn one_slice_is_as_thick_as_it_says() {
        let mut planes = stack(&[7.0]);
        assert_eq!(arrange(&planes).unwrap().affine[2], [0.0, 0.0, 5.0, 7.0]);
        planes[0].thickness = None;
        assert!(refusal(&planes).contains("without a SliceThickness"));
    }

    #[test]
    fn numbers_without_sense_never_pass() {
        for bad in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
            let mut planes = stack(&[0.0, 2.0]);
            planes.iter_mut().for_each(|plane| plane.spacing[0] = bad);
            assert!(bad < 0.0 || arrange(&planes).is_err(), "{bad}");
        }
        let mut planes = stack(&[0.0, 2.0]);
        planes[1].position[0] = f64::NAN;
        assert!(arrange(&planes).is_err());
    }
}
