//! Owns the finding of cases in a tree of DICOM files: which PET goes with which CT and which segmentation.
//!
//! A case is one frame of reference of one study. Its name is a digest of the study's UID, which itself stays inside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fratmae_dataset::Metadata;
use fratmae_imaging::{FoundSeries, FoundTree, ImageSource, SeriesHeader, find_series};

use super::fault::{Fault, Remark};
use super::{CaseSource, Found};
use crate::PrepareError;
use crate::metadata;

#[cfg(test)]
mod tests;

/// Hexadecimal digits of a digest that name a study, and those that tell frames of reference of one study apart.
const STUDY_DIGITS: usize = 12;
const FRAME_DIGITS: usize = 4;

/// Finds the cases of a tree, and what of it makes none; nothing where it holds no DICOM. A study with a PET or a CT
/// that lacks the other, or of which several fit equally well, is a case with a fault.
pub(super) fn find(root: &Path) -> Result<Option<Found>, PrepareError> {
    let FoundTree {
        series,
        holds_dicom,
        mut passed_over,
    } = find_series(root)?;
    if !holds_dicom {
        return Ok(None);
    }
    let mut studies: BTreeMap<String, Vec<FoundSeries>> = BTreeMap::new();
    for series in series {
        let study = series.header.study.clone();
        studies.entry(study).or_default().push(series);
    }
    let mut cases = Vec::new();
    for (study, series) in &studies {
        let found = cases_of(&digits(study, STUDY_DIGITS), series);
        let (what, folders) = match found.is_empty() {
            true => ("studies without PET and CT", vec![folder_of(series)]),
            false => ("series that were not chosen", not_chosen(&found, series)),
        };
        passed_over
            .entry(what.to_owned())
            .or_default()
            .extend(folders);
        cases.extend(found);
    }
    let remark = |(what, paths): (String, Vec<PathBuf>)| {
        let within = |path: &PathBuf| {
            let within = path.strip_prefix(root).unwrap_or(path);
            within.display().to_string()
        };
        let names: Vec<String> = paths.iter().map(within).collect();
        Remark::about(names, |count| format!("{what}: {count}"))
    };
    Ok(Some(Found {
        cases,
        remarks: passed_over.into_iter().filter_map(remark).collect(),
        ..Found::default()
    }))
}

/// Gives the folder of a study's first file.
fn folder_of(study: &[FoundSeries]) -> PathBuf {
    let folder = study.first().map(FoundSeries::folder);
    folder.unwrap_or(Path::new("")).to_path_buf()
}

/// Gives the folders of the series that no case of a study took, where one is good.
fn not_chosen(cases: &[CaseSource], study: &[FoundSeries]) -> Vec<PathBuf> {
    if cases.iter().all(|case| case.fault.is_some()) {
        return Vec::new();
    }
    let is_taken = |series: &FoundSeries| {
        let image = source(series);
        let of_case = |case: &CaseSource| {
            [Some(&case.pet), Some(&case.ct), case.label.as_ref()].contains(&Some(&image))
        };
        cases.iter().any(of_case)
    };
    let slices = study.iter().filter(|series| !series.header.localizer);
    let left = slices.filter(|series| !is_taken(series));
    left.map(|series| series.folder().to_path_buf()).collect()
}

/// Makes a case of each frame of reference that has a PET and a CT; one with a fault where none has.
fn cases_of(name: &str, study: &[FoundSeries]) -> Vec<CaseSource> {
    let mut frames: BTreeMap<&Option<String>, Vec<&FoundSeries>> = BTreeMap::new();
    for series in study.iter().filter(|series| !series.header.localizer) {
        let frame = &series.header.frame_of_reference;
        frames.entry(frame).or_default().push(series);
    }
    let has = |series: &[&FoundSeries], modality: &str| {
        series
            .iter()
            .any(|series| series.header.modality == modality)
    };
    let all: Vec<&FoundSeries> = frames.values().flatten().copied().collect();
    let lacking = match (has(&all, "PT"), has(&all, "CT")) {
        (false, false) => return Vec::new(),
        (false, true) => "it has no PET series",
        (true, false) => "it has no CT series other than localizers",
        (true, true) => "its PET and its CT have different frames of reference",
    };
    let is_pair = |series: &Vec<&FoundSeries>| has(series, "PT") && has(series, "CT");
    let pairs: Vec<_> = frames.iter().filter(|(_, found)| is_pair(found)).collect();
    if pairs.is_empty() {
        return vec![faulty(study, name.to_owned(), lacking.to_owned())];
    }
    let case_of = |(frame, series): &(&&Option<String>, &Vec<&FoundSeries>)| {
        let case_id = match frame {
            Some(frame) if pairs.len() > 1 => format!("{name}-{}", digits(frame, FRAME_DIGITS)),
            _ => name.to_owned(),
        };
        case(case_id.clone(), series, study).unwrap_or_else(|fault| faulty(study, case_id, fault))
    };
    pairs.iter().map(case_of).collect()
}

/// Takes one PET, one CT and at most one segmentation of a frame of reference.
fn case(
    case_id: String,
    series: &[&FoundSeries],
    study: &[FoundSeries],
) -> Result<CaseSource, String> {
    // With a place, corrected for attenuation, from the scanner itself, of most slices: in this order.
    let pet = choose("PT", series, |series| {
        let header = &series.header;
        let is_placed = series.space.is_some();
        let rank = (header.attenuation_corrected, header.original);
        (is_placed, rank, series.slices)
    })?;
    // Covering most of the PET, from the scanner itself, of most slices.
    let ct = choose("CT", series, |series| {
        let space = pet.space.zip(series.space);
        let covers = space.map_or(0, |(pet, ct)| pet.held_by(&ct));
        (covers, series.header.original, series.slices)
    })?;
    Ok(CaseSource {
        label: segmentation(pet, ct, study)?.map(source),
        metadata: metadata_of(&pet.header),
        ..CaseSource::new(case_id, source(pet), source(ct))
    })
}

/// Keeps of a header what a data set may say of a patient, read as the words that it should be.
fn metadata_of(header: &SeriesHeader) -> Metadata {
    Metadata {
        tracer: metadata::tracer_of(header.tracer.as_deref(), ""),
        age: header.age.as_deref().and_then(metadata::age_of),
        sex: header.sex.as_deref().and_then(metadata::sex_of),
        diagnosis: None,
        stage: None,
    }
}

/// Takes the series of a modality that ranks highest, where that is one.
fn choose<'a, R: Ord>(
    modality: &str,
    series: &[&'a FoundSeries],
    rank: impl Fn(&FoundSeries) -> R,
) -> Result<&'a FoundSeries, String> {
    let mut fitting: Vec<&FoundSeries> = series
        .iter()
        .copied()
        .filter(|series| series.header.modality == modality)
        .collect();
    fitting.sort_by_key(|series| std::cmp::Reverse(rank(series)));
    let best = *fitting
        .first()
        .ok_or_else(|| format!("it has no {modality} series"))?;
    let equal = fitting.iter().filter(|other| rank(other) == rank(best));
    match equal.count() {
        1 => Ok(best),
        equal => Err(format!(
            "{equal} {modality} series of {} slices fit equally well: leave one of them, or name the pair in a table",
            best.slices
        )),
    }
}

/// Takes the segmentation that was drawn on the PET, else on the CT, else on another series of their frame of
/// reference.
fn segmentation<'a>(
    pet: &FoundSeries,
    ct: &FoundSeries,
    study: &'a [FoundSeries],
) -> Result<Option<&'a FoundSeries>, String> {
    let drawn_on = |series: &FoundSeries| {
        let refers_to = |other: &FoundSeries| {
            let names = &series.header.refers_to;
            names.contains(&other.header.series)
        };
        let frame = &series.header.frame_of_reference;
        match () {
            () if frame.is_some() && *frame != pet.header.frame_of_reference => None,
            () if refers_to(pet) => Some(0),
            () if refers_to(ct) => Some(1),
            () => frame.as_ref().map(|_| 2),
        }
    };
    let of_seg = study
        .iter()
        .filter(|series| series.header.modality == "SEG");
    let mut ranked: Vec<(i32, &FoundSeries)> = of_seg
        .filter_map(|series| Some((drawn_on(series)?, series)))
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let Some((best, taken)) = ranked.first().copied() else {
        return Ok(None);
    };
    let equal = ranked.iter().filter(|(rank, _)| *rank == best);
    let images: usize = equal.map(|(_, series)| series.images()).sum();
    if images > 1 {
        return Err(format!(
            "{images} DICOM segmentations fit equally well: leave one of them, or name it in a table"
        ));
    }
    Ok(Some(taken))
}

fn source(series: &FoundSeries) -> ImageSource {
    ImageSource::Series {
        folder: series.folder().to_path_buf(),
        files: series.files.clone(),
    }
}

/// A case that cannot be used, named by the folder of its study.
fn faulty(study: &[FoundSeries], case_id: String, fault: String) -> CaseSource {
    let none = ImageSource::Series {
        folder: folder_of(study),
        files: Vec::new(),
    };
    let folder = none.path().display().to_string();
    CaseSource {
        fault: Some(Fault::of(fault, &folder)),
        ..CaseSource::new(case_id, none.clone(), none)
    }
}

fn digits(uid: &str, count: usize) -> String {
    let digest = blake3::hash(uid.as_bytes()).to_hex();
    digest.chars().take(count).collect()
}
