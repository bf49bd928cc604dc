//! Owns the reading of a folder in the layout of AutoPET III, and the join with its lists.
//!
//! Suffixes name the modality (`_0000` CT, `_0001` PET); `channel_names` in `dataset.json` calls both CT.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::fault::{Fault, Remark, counted};
use super::leftover::{entries, leftovers};
use super::patients::{Patients, read_psma};
use super::{CaseSource, Found};
use crate::PrepareError;

/// Folder of the images.
pub(super) const IMAGES: &str = "imagesTr";
/// Folder of the lesion masks.
const LABELS: &str = "labelsTr";
/// Number of a CT and of a PET in the names of images.
const CT: &str = "0000";
const PET: &str = "0001";
/// What else is read of a folder.
const LISTS: [&str; 4] = [
    "dataset.json",
    "fdg_metadata.csv",
    "psma_metadata.csv",
    "splits_final.json",
];

/// Files of one image or label of a case: one is right.
type Files = Vec<PathBuf>;

/// Finds the cases of a folder; one that lacks its PET or its CT has a fault.
pub(super) fn find(root: &Path) -> Result<Found, PrepareError> {
    let mut images: BTreeMap<String, BTreeMap<String, Files>> = BTreeMap::new();
    for path in files(&root.join(IMAGES))? {
        let name = NiftiName::of(&path);
        if let Some((case_id, number)) = name.stem.rsplit_once('_')
            && [CT, PET].contains(&number)
        {
            let of_case = images.entry(case_id.to_owned()).or_default();
            of_case.entry(number.to_owned()).or_default().push(path);
        }
    }
    let mut labels: BTreeMap<String, Files> = BTreeMap::new();
    if root.join(LABELS).is_dir() {
        for path in files(&root.join(LABELS))? {
            labels
                .entry(NiftiName::of(&path).stem)
                .or_default()
                .push(path);
        }
    }
    let (patients, dropped_columns) = patients(root)?;
    let folds = Some(root.join("splits_final.json")).filter(|path| path.is_file());
    let folds = folds.map(|path| read_folds(&path)).transpose()?;
    let none = Files::new();
    let of = |case_id: &String, number| {
        let found = images.get(case_id).and_then(|found| found.get(number));
        found.unwrap_or(&none)
    };
    let case = |case_id: &String| {
        let label = labels.get(case_id).unwrap_or(&none);
        case(
            root,
            case_id,
            of(case_id, CT),
            of(case_id, PET),
            label,
            &patients,
        )
    };
    let mut cases: Vec<CaseSource> = images.keys().map(case).collect();
    for case in &mut cases {
        case.fold = folds
            .as_ref()
            .and_then(|folds| folds.get(&case.case_id).copied());
    }
    let is_list = |file: &Path| LISTS.iter().any(|name| file == root.join(name));
    let mut remarks = leftovers(root, &cases, &is_list);
    remarks.extend(patients.remarks(&cases));
    remarks.extend(folds.map_or_else(Vec::new, |folds| remarks_on_folds(&folds, &cases)));
    remarks.extend(fewer_than_promised(root, cases.len()));
    Ok(Found {
        cases,
        dropped_columns,
        remarks,
    })
}

/// The name of a file, taken apart.
struct NiftiName {
    stem: String,
    /// Whether the ending is one that is read, in any case of letters.
    is_nifti: bool,
    is_utf8: bool,
}

impl NiftiName {
    fn of(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default();
        let (text, is_utf8) = (name.to_string_lossy(), name.to_str().is_some());
        let lower = text.to_ascii_lowercase();
        let ending = [".nii.gz", ".nii"]
            .into_iter()
            .find(|ending| lower.ends_with(ending));
        let end = match ending {
            Some(ending) => text.len() - ending.len(),
            None => {
                let bare = lower.strip_suffix(".gz").unwrap_or(&lower);
                bare.rfind('.').unwrap_or(bare.len())
            }
        };
        Self {
            stem: text[..end].to_owned(),
            is_nifti: ending.is_some(),
            is_utf8,
        }
    }
}

/// Makes a case of its files; whatever keeps it from being used is its fault.
fn case(
    root: &Path,
    case_id: &str,
    ct: &Files,
    pet: &Files,
    label: &Files,
    patients: &Patients,
) -> CaseSource {
    let mut faults = Vec::new();
    let mut take = |image: &str, files: &Files, usual: PathBuf, is_needed: bool| {
        let (file, fault) = one_of(image, files, &usual, is_needed);
        faults.extend(fault);
        file
    };
    let image = |number: &str| Path::new(IMAGES).join(format!("{case_id}_{number}.nii.gz"));
    let ct = take("CT", ct, image(CT), true);
    let pet = take("PET", pet, image(PET), true);
    let usual = Path::new(LABELS).join(format!("{case_id}.nii.gz"));
    let label = take("label", label, usual, false);
    let or_usual = |file: Option<PathBuf>, number| file.unwrap_or_else(|| root.join(image(number)));
    CaseSource {
        label: label.map(Into::into),
        one_grid: true,
        metadata: patients.of(case_id),
        fault: Fault::join(&faults),
        ..CaseSource::new(case_id, or_usual(pet, PET), or_usual(ct, CT))
    }
}

/// Takes the one file that can be read, or says why there is none.
fn one_of(
    image: &str,
    files: &Files,
    usual: &Path,
    is_needed: bool,
) -> (Option<PathBuf>, Option<Fault>) {
    let is_nifti = |path: &&PathBuf| NiftiName::of(path).is_nifti;
    let readable: Files = files.iter().filter(is_nifti).cloned().collect();
    let name = |path: &PathBuf| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let (file, fault) = match (&readable[..], &files[..]) {
        ([file], _) if NiftiName::of(file).is_utf8 => (Some(file.clone()), None),
        ([file], _) => (
            Some(file.clone()),
            Some(format!(
                "the name of its {image} is not UTF-8: rename the file"
            )),
        ),
        ([], [file, ..]) => (
            Some(file.clone()),
            Some(format!(
                "its {image} is {}, and only .nii and .nii.gz are read: convert it",
                name(file)
            )),
        ),
        ([], []) if is_needed => (
            None,
            Some(format!(
                "it has no {image}: there is no {}",
                usual.display()
            )),
        ),
        ([], []) => (None, None),
        ([file, ..], _) => {
            let names: Vec<String> = readable.iter().map(name).collect();
            let reason = format!(
                "it has several {image} files, {}: leave one",
                names.join(" and ")
            );
            (Some(file.clone()), Some(reason))
        }
    };
    (file, fault.map(Fault::from))
}

/// Compares with `dataset.json`: a copy that was cut short has fewer cases.
fn fewer_than_promised(root: &Path, found: usize) -> Option<Remark> {
    let path = Some(root.join("dataset.json")).filter(|path| path.is_file())?;
    let description: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let promised = description["numTraining"].as_u64()?;
    (promised > found as u64).then(|| Remark {
        text: format!(
            "dataset.json promises {promised} cases and {found} are here: was the copy cut short?"
        ),
        names: Vec::new(),
    })
}

/// Lists the files of a folder by name, but for hidden ones.
fn files(folder: &Path) -> Result<Vec<PathBuf>, PrepareError> {
    let mut paths = entries(folder)?;
    paths.retain(|path| !path.is_dir());
    Ok(paths)
}

fn patients(root: &Path) -> Result<(Patients, Vec<String>), PrepareError> {
    let mut patients = Patients::default();
    let existing = |name: &str| Some(root.join(name)).filter(|path| path.is_file());
    let mut dropped = Vec::new();
    if let Some(path) = existing("fdg_metadata.csv") {
        dropped.extend(patients.add_fdg(&path)?);
    }
    if let Some(path) = existing("psma_metadata.csv") {
        dropped.extend(read_psma(&path, &mut patients)?);
    }
    Ok((patients, dropped))
}

/// Reads the folds of nnU-Net: a case is of the fold that tests on it.
fn read_folds(path: &Path) -> Result<BTreeMap<String, u32>, PrepareError> {
    #[derive(serde::Deserialize)]
    struct Split {
        val: Vec<String>,
    }
    let bytes = std::fs::read(path).map_err(|source| PrepareError::Io {
        action: "read",
        path: path.to_path_buf(),
        source,
    })?;
    let splits: Vec<Split> =
        serde_json::from_slice(&bytes).map_err(|error| PrepareError::Table {
            path: path.to_path_buf(),
            line: error.line() as u64,
            reason: format!("it is no list of splits with their val: {error}"),
        })?;
    let folds = (0..).zip(splits).flat_map(|(fold, split)| {
        let cases = split.val.into_iter();
        cases.map(move |case_id| (case_id, fold))
    });
    Ok(folds.collect())
}

/// Says which cases of the splits are not here, and which here are in no split.
fn remarks_on_folds(folds: &BTreeMap<String, u32>, cases: &[CaseSource]) -> Vec<Remark> {
    let here: BTreeSet<&String> = cases.iter().map(|case| &case.case_id).collect();
    let absent = folds.keys().filter(|case_id| !here.contains(case_id));
    let absent = Remark::about(absent.cloned(), |count| {
        let cases = counted(count, "case that is", "cases that are");
        format!("splits_final.json names {cases} not here")
    });
    let without = here
        .into_iter()
        .filter(|case_id| !folds.contains_key(*case_id));
    let without = Remark::about(without.cloned(), |count| {
        let cases = counted(count, "case is", "cases are");
        format!("{cases} in no split of splits_final.json")
    });
    absent.into_iter().chain(without).collect()
}
