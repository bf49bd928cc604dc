//! Owns the finding of cases in a tree of DICOM files: which PET goes with which CT. It opens one file of each folder.
//!
//! A case is one frame of reference of one study. Its name is a digest of the study's UID, which itself stays inside.

use std::collections::BTreeMap;
use std::path::Path;

use super::CaseSource;
use crate::dicom::{SeriesFolder, find_series};
use crate::error::DataSetError;

#[cfg(test)]
mod tests;

/// Hexadecimal digits of a digest that name a study, and those that tell frames of reference of one study apart.
const STUDY_DIGITS: usize = 12;
const FRAME_DIGITS: usize = 4;

/// Finds the cases of a tree; nothing where it holds no DICOM. A study without a PET and a CT in one frame of reference
/// is passed over with a warning.
pub(super) fn find(root: &Path) -> Result<Option<Vec<CaseSource>>, DataSetError> {
    let mut studies: BTreeMap<String, BTreeMap<Option<String>, Vec<SeriesFolder>>> =
        BTreeMap::new();
    let series = find_series(root)?;
    if series.is_empty() {
        return Ok(None);
    }
    for series in series {
        let (study, frame) = (&series.header.study, &series.header.frame_of_reference);
        let frames = studies.entry(study.clone()).or_default();
        frames.entry(frame.clone()).or_default().push(series);
    }
    let mut cases = Vec::new();
    for (study, frames) in studies {
        let name = digits(&study, STUDY_DIGITS);
        let pairs: Vec<_> = frames
            .iter()
            .filter_map(|(frame, series)| Some((frame, pair(series)?)))
            .collect();
        if pairs.is_empty() {
            tracing::warn!(
                case = name,
                "passed over: no PET and CT series of one frame of reference"
            );
        }
        for (frame, [pet, ct]) in &pairs {
            let case_id = match frame {
                Some(frame) if pairs.len() > 1 => {
                    format!("{name}-{}", digits(frame, FRAME_DIGITS))
                }
                _ => name.clone(),
            };
            cases.push(case(case_id, pet, ct));
        }
    }
    Ok(Some(cases))
}

/// Chooses among the series of one frame of reference: a PET that is corrected for attenuation before one that is
/// not, a CT that is no localizer, and of several the one with most slices, then the first by path.
fn pair(series: &[SeriesFolder]) -> Option<[&SeriesFolder; 2]> {
    let of = |modality: &str| {
        let fit =
            |series: &&SeriesFolder| series.header.modality == modality && !series.header.localizer;
        let mut fitting: Vec<&SeriesFolder> = series.iter().filter(fit).collect();
        fitting.sort_by_key(|series| {
            let uncorrected = modality == "PT" && !series.header.attenuation_corrected;
            (uncorrected, std::cmp::Reverse(series.slices))
        });
        if let [taken, _, ..] = fitting[..] {
            let (folder, series) = (taken.folder.display(), fitting.len());
            tracing::info!(%folder, modality, series, slices = taken.slices, "took one of several series");
        }
        fitting.first().copied()
    };
    Some([of("PT")?, of("CT")?])
}

fn case(case_id: String, pet: &SeriesFolder, ct: &SeriesFolder) -> CaseSource {
    CaseSource {
        case_id,
        pet: pet.folder.clone(),
        ct: ct.folder.clone(),
        label: None,
        metadata: pet.header.metadata.clone(),
    }
}

fn digits(uid: &str, count: usize) -> String {
    let digest = blake3::hash(uid.as_bytes()).to_hex();
    digest.chars().take(count).collect()
}
