//! Owns the reading of a folder in the layout of AutoPET III, and the join with its two tables of metadata.
//!
//! Suffixes name the modality (`_0000` CT, `_0001` PET); `channel_names` in `dataset.json` calls both CT.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::sheet::{Row, Sheet};
use super::{CaseSource, Found};
use crate::error::DataSetError;
use crate::metadata::{self, Metadata};

/// Folder of the images.
pub(super) const IMAGES: &str = "imagesTr";
/// Folder of the lesion masks.
const LABELS: &str = "labelsTr";
/// What follows the case id in the name of a CT.
const CT_SUFFIX: &str = "_0000.nii.gz";
/// What follows the case id in the name of a PET.
const PET_SUFFIX: &str = "_0001.nii.gz";

/// What the tables and the lists of a folder know of its cases.
#[derive(Default)]
struct Known {
    metadata: HashMap<String, Metadata>,
    folds: BTreeMap<String, u32>,
    dropped_columns: Vec<String>,
}

/// Finds the cases of a folder; one that lacks its PET or its CT has a fault.
pub(super) fn find(root: &Path) -> Result<Found, DataSetError> {
    let names = file_names(&root.join(IMAGES))?;
    let with = |suffix: &str| {
        names
            .iter()
            .filter_map(|name| name.strip_suffix(suffix))
            .collect::<BTreeSet<_>>()
    };
    let (cts, pets) = (with(CT_SUFFIX), with(PET_SUFFIX));
    warn_if_fewer(root, cts.len());
    let known = Known::of(root)?;
    let case = |case_id: &&str| {
        let lacking = [("CT", &cts, CT_SUFFIX), ("PET", &pets, PET_SUFFIX)];
        let lacking = lacking
            .iter()
            .find(|(_, found, _)| !found.contains(case_id));
        CaseSource {
            fault: lacking.map(|(image, _, suffix)| {
                format!("it has no {image}: there is no {IMAGES}/{case_id}{suffix}")
            }),
            ..case(root, case_id, &known)
        }
    };
    let cases = cts.union(&pets).map(case).collect();
    Ok((cases, known.dropped_columns))
}

fn case(root: &Path, case_id: &str, known: &Known) -> CaseSource {
    let image = |suffix: &str| root.join(IMAGES).join(format!("{case_id}{suffix}"));
    let label = root.join(LABELS).join(format!("{case_id}.nii.gz"));
    let mut metadata = known.metadata.get(case_id).cloned().unwrap_or_default();
    metadata.tracer = metadata
        .tracer
        .or_else(|| metadata::tracer_of(None, case_id));
    if case_id.starts_with("psma_") {
        metadata.sex.get_or_insert_with(|| "male".to_owned());
        metadata
            .diagnosis
            .get_or_insert_with(|| "prostate carcinoma".to_owned());
    }
    CaseSource {
        label: label.is_file().then(|| label.into()),
        one_grid: true,
        metadata,
        fold: known.folds.get(case_id).copied(),
        ..CaseSource::new(case_id, image(PET_SUFFIX), image(CT_SUFFIX))
    }
}

fn file_names(folder: &Path) -> Result<Vec<String>, DataSetError> {
    let io = |source| DataSetError::Io {
        action: "list",
        path: folder.to_path_buf(),
        source,
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        names.extend(entry.map_err(io)?.file_name().into_string());
    }
    Ok(names)
}

/// Warns where `dataset.json` counts more cases than there are: a copy that was cut short looks like that.
fn warn_if_fewer(root: &Path, found: usize) {
    let text = std::fs::read(root.join("dataset.json")).unwrap_or_default();
    let description: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    if let Some(promised) = description["numTraining"]
        .as_u64()
        .filter(|&promised| promised > found as u64)
    {
        tracing::warn!(folder = %root.display(), promised, found, "dataset.json promises more cases than are there");
    }
}

impl Known {
    fn of(root: &Path) -> Result<Self, DataSetError> {
        let mut known = Self::default();
        if let Some(path) = existing(root, "fdg_metadata.csv") {
            let sheet = Sheet::read(&path)?;
            read_fdg(&sheet, &mut known.metadata)?;
            known.dropped_columns.extend(sheet.others(&FDG_COLUMNS));
        }
        if let Some(path) = existing(root, "psma_metadata.csv") {
            let sheet = Sheet::read(&path)?;
            read_psma(&sheet, &mut known.metadata)?;
            known.dropped_columns.extend(sheet.others(&PSMA_COLUMNS));
        }
        if let Some(path) = existing(root, "splits_final.json") {
            known.folds = read_folds(&path)?;
        }
        Ok(known)
    }
}

/// Reads the folds of nnU-Net: a case is of the fold that tests on it.
fn read_folds(path: &Path) -> Result<BTreeMap<String, u32>, DataSetError> {
    #[derive(serde::Deserialize)]
    struct Split {
        val: Vec<String>,
    }
    let bytes = std::fs::read(path).map_err(|source| DataSetError::Io {
        action: "read",
        path: path.to_path_buf(),
        source,
    })?;
    let splits: Vec<Split> =
        serde_json::from_slice(&bytes).map_err(|error| DataSetError::Table {
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

fn existing(root: &Path, name: &str) -> Option<PathBuf> {
    Some(root.join(name)).filter(|path| path.is_file())
}

/// What is taken of the FDG table, and of the PSMA one. Columns that only find the case are not among them.
pub(super) const FDG_COLUMNS: [&str; 4] = ["age", "sex", "diagnosis", "stage"];
const PSMA_COLUMNS: [&str; 2] = ["age", "pet_radionuclide"];

/// Reads the FDG table: one row a series; the case is named by the folders in `File Location`.
pub(super) fn read_fdg(
    sheet: &Sheet,
    known: &mut HashMap<String, Metadata>,
) -> Result<(), DataSetError> {
    let location = sheet.require("File Location")?;
    for row in sheet.rows() {
        let Some(case_id) = row.get(location).and_then(fdg_case_id) else {
            continue;
        };
        let field = |name: &str| row.get(sheet.column(name));
        let found = Metadata {
            tracer: metadata::tracer_of(Some("FDG"), &case_id),
            age: field("age").and_then(metadata::age_of),
            sex: field("sex").and_then(metadata::sex_of),
            diagnosis: field("diagnosis").and_then(metadata::diagnosis_of),
            stage: field("stage").and_then(metadata::stage_of),
        };
        let known = known.entry(case_id).or_default();
        known.tracer = known.tracer.take().or(found.tracer);
        known.age = known.age.or(found.age);
        known.sex = known.sex.take().or(found.sex);
        known.diagnosis = known.diagnosis.take().or(found.diagnosis);
        known.stage = known.stage.take().or(found.stage);
    }
    Ok(())
}

/// Turns `./FDG-PET-CT-Lesions/PETCT_{hex}/{study}/...` into `fdg_{hex}_{study}`.
fn fdg_case_id(location: &str) -> Option<String> {
    let mut folders = location
        .split('/')
        .skip_while(|folder| !folder.starts_with("PETCT_"));
    let subject = folders.next()?.strip_prefix("PETCT_")?;
    Some(format!("fdg_{subject}_{}", folders.next()?))
}

/// Reads the PSMA table: one row a study, named by subject and date.
fn read_psma(sheet: &Sheet, known: &mut HashMap<String, Metadata>) -> Result<(), DataSetError> {
    let (subject, date) = (sheet.require("Subject ID")?, sheet.require("Study Date")?);
    let case_of = |row: &Row| {
        let subject = row.get(subject)?;
        Some(format!(
            "psma_{}_{}",
            subject.strip_prefix("PSMA_").unwrap_or(subject),
            row.get(date)?
        ))
    };
    for row in sheet.rows() {
        let Some(case_id) = case_of(row) else {
            continue;
        };
        let field = |name: &str| row.get(sheet.column(name));
        let found = Metadata {
            tracer: metadata::tracer_of(field("pet_radionuclide"), &case_id),
            age: field("age").and_then(metadata::age_of),
            ..Metadata::default()
        };
        known.insert(case_id, found);
    }
    Ok(())
}
