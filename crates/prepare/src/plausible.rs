//! Owns the verdict on whether the images of a case can be what they should be: PET in SUV, CT in Hounsfield units, a
//! label on the PET, a whole body.
//!
//! It is a pure function of what was measured. A figure that cannot be right refuses the case; one that is merely
//! unlikely becomes a note, which stays with the case. The bounds and their reasons are in `docs/data.md`.

use fratmae_dataset::{Note, NoteKind};
use fratmae_imaging::{Provenance, SliceCount, Spread};

#[cfg(test)]
mod tests;

/// An SUV above this cannot be: it would be the whole dose in a thousandth of the body.
const HIGHEST_SUV: f32 = 1000.0;
/// No PET reaches below this; a CT does.
const LOWEST_PET: f32 = -100.0;
/// Reconstructions leave small negative values; a PET whose values reach below this has others as well.
const USUAL_LOWEST_PET: f32 = -5.0;
/// A PET with less than this part of its voxels above 0.05 SUV shows no patient.
const LEAST_LIT: f64 = 0.001;
/// Above this mean SUV in the body the unit is doubtful: the mean over a whole body is about 1.
const HIGHEST_BODY_MEAN: f32 = 5.0;
/// More than this part of voxels below zero is more than a reconstruction leaves.
const MOST_NEGATIVE: f64 = 0.01;
/// A CT with less than this part of its voxels between -200 and 200 HU shows hardly any soft tissue.
const LEAST_SOFT: f64 = 0.005;
/// A CT that reaches along less than this part of the PET leaves the rest without anatomy.
const LEAST_REACH: f64 = 0.5;
/// A label that keeps less than this part of its volume on the grid is not the same label.
const LEAST_KEPT: f64 = 0.5;
/// Labels smaller than this many voxels of the grid change their volume by the choice of the nearest voxel alone.
const SMALL_LABEL: f64 = 8.0;
/// Below this length, in millimetres, a scan is no whole body: two bed positions, or a head and neck.
const WHOLE_BODY: f64 = 500.0;
/// Below this length, in millimetres, an image is no clinical scan at all: no scanner for people has shorter beds.
const ONE_BED: f64 = 100.0;
/// A series may lack this part of the slices that its header promises: those counts are not always exact.
const MOST_MISSING: f64 = 0.1;

/// Judges a PET by its voxels as they were stored.
pub(crate) fn judge_pet(of: Provenance, voxels: &Spread) -> Result<Vec<Note>, String> {
    let (lowest, highest) = voxels.range();
    if lowest < LOWEST_PET {
        return Err(format!(
            "as a PET it should hold SUV, but its values go down to {lowest}: is it the CT?"
        ));
    }
    if highest > HIGHEST_SUV {
        return Err(format!(
            "its values go up to {highest}, and SUV never exceeds {HIGHEST_SUV}: it seems to be in Bq/ml; divide by the dose per \
             gram of body weight, or give the DICOM series"
        ));
    }
    let lit = voxels.share_between(0.05, f32::INFINITY);
    if lit < LEAST_LIT {
        return Err(format!(
            "it is all but zero: {} of {} voxels exceed 0.05 SUV, the highest is {highest}; check its scaling, or \
             export it again",
            voxels.between(0.05, f32::INFINITY),
            voxels.count()
        ));
    }
    let mut notes = Vec::from_iter(judge_slices("PET", of));
    let negative = voxels.share_between(f32::NEG_INFINITY, -0.05);
    if lowest < USUAL_LOWEST_PET || negative > MOST_NEGATIVE {
        notes.push(Note::new(
            NoteKind::PetNegative,
            format!(
                "the PET has negative values, {:.1} % of it and down to {lowest:.2}, which become 0: SUV is never negative",
                100.0 * negative
            ),
        ));
    }
    if !of.has_units && (0.999..=1.001).contains(&highest) {
        notes.push(Note::new(
            NoteKind::PetScaled,
            "the highest value of the PET is 1: it seems to be scaled to 0..1 and not in SUV",
        ));
    }
    Ok(notes)
}

/// Judges the mean SUV in the body, which is about 1 by the definition of SUV.
pub(crate) fn judge_body(mean: f32) -> Option<Note> {
    (mean > HIGHEST_BODY_MEAN).then(|| {
        Note::new(
            NoteKind::PetTooHigh,
            format!("the mean SUV in the body is {mean:.1} and usually about 1: is the PET in kBq/ml or in percent?"),
        )
    })
}

/// Judges a CT by its voxels as they were stored.
pub(crate) fn judge_ct(of: Provenance, voxels: &Spread) -> Result<Vec<Note>, String> {
    // What lies below is padding outside of the field of view.
    let air = voxels.between(-1500.0, -500.0);
    let fat = voxels.between(-500.0, -20.0);
    let (lowest, highest) = voxels.range();
    let narrow = voxels.between(-20.0, 20.0) == voxels.count();
    let wide = highest > 255.0;
    if air == 0 && fat == 0 && (narrow || wide) && !of.has_units {
        let cause = match () {
            () if highest <= 10.0 => "it seems to be scaled to a small range",
            () if wide && highest < 5000.0 => "the intercept (usually -1024) seems to be lost",
            () => "it seems to be the PET",
        };
        return Err(format!(
            "as a CT it should hold Hounsfield units, but its values lie between {lowest} and {highest}, with neither air (about -1000) nor fat (about -100): {cause}; export it again in HU"
        ));
    }
    let mut notes = Vec::from_iter(judge_slices("CT", of));
    if air == 0 {
        notes.push(Note::new(
            NoteKind::CtWithoutAir,
            format!("the CT holds no air: no voxel lies between -1500 and -500 HU, and its values lie between {lowest} and {highest}; is it in HU?"),
        ));
    }
    let soft = voxels.share_between(-200.0, 200.0);
    if soft < LEAST_SOFT {
        notes.push(Note::new(
            NoteKind::CtWithoutTissue,
            format!(
                "hardly any voxel of the CT is soft tissue: {:.2} % lie between -200 and 200 HU; was its intercept lost or \
                 applied twice?",
                100.0 * soft
            ),
        ));
    }
    Ok(notes)
}

/// Judges how far a CT reaches along the length of the PET, as a part of 1.
pub(crate) fn judge_reach(reach: f64) -> Option<Note> {
    (reach < LEAST_REACH).then(|| {
        Note::new(
            NoteKind::CtTooShort,
            format!(
                "the CT covers {:.0} % of the PET's length; the rest is filled with air",
                100.0 * reach
            ),
        )
    })
}

/// What of a label came to the grid: labelled millilitres before and after, and the millilitres of a voxel of the grid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LabelFigures {
    pub(crate) before: f64,
    pub(crate) after: f64,
    pub(crate) voxel: f64,
}

/// Judges whether a label kept what it labels.
pub(crate) fn judge_label(label: LabelFigures) -> Option<Note> {
    let LabelFigures {
        before,
        after,
        voxel,
    } = label;
    let lost = before > 0.0 && after == 0.0;
    let shrunk = before >= SMALL_LABEL * voxel && after < LEAST_KEPT * before;
    (lost || shrunk).then(|| {
        Note::new(
            NoteKind::LabelLost,
            format!(
                "the label had {before:.3} ml and has {after:.3} ml on the grid: it is finer than the grid, or reaches out of the PET"
            ),
        )
    })
}

/// Judges an image that does not say where it lies beside a PET; both without a place are compared as if centred.
pub(crate) fn judge_place(pet: Provenance, other: Provenance) -> Result<Option<Note>, String> {
    let lost = "has no position (its header gives no geometry, or that of no image: 1 mm voxels from the origin)";
    match (pet.is_placed, other.is_placed) {
        (true, true) => Ok(None),
        (false, false) => Ok(Some(Note::new(
            NoteKind::NoGeometry,
            "no image says where it lies: positions and sides are taken from the order of voxels",
        ))),
        (true, false) => Err(format!(
            "it {lost} and the PET has one: restore its geometry from the original"
        )),
        (false, true) => Err(format!(
            "it has a position and the PET {lost}: restore the PET's geometry from the original"
        )),
    }
}

/// Judges the length of the field of view in millimetres, which the text calls a whole body.
pub(crate) fn judge_length(millimetres: f64) -> Option<Note> {
    (ONE_BED..WHOLE_BODY).contains(&millimetres).then(|| {
        Note::new(
            NoteKind::NotWholeBody,
            format!(
                "the field of view is {:.0} cm long, and the text for the encoder calls it a whole-body scan",
                millimetres / 10.0
            ),
        )
    })
}

fn judge_slices(image: &str, of: Provenance) -> Option<Note> {
    let SliceCount { found, promised } = of.slices?;
    let missing = promised.saturating_sub(found) as f64 / promised.max(1) as f64;
    (missing > MOST_MISSING).then(|| {
        Note::new(
            NoteKind::SlicesMissing,
            format!(
                "the {image} series promises {promised} slices and has {found}: copy it again if slices were lost"
            ),
        )
    })
}
