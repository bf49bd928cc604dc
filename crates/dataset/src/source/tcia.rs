//! Owns the reading of TCIA's FDG-PET-CT-Lesions as NIfTI: `PETCT_{subject}/{study}/{SUV,CTres,SEG}.nii.gz`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::autopet::{FDG_COLUMNS, read_fdg};
use super::sheet::Sheet;
use super::{CaseSource, Found};
use crate::error::DataSetError;
use crate::metadata::{self, Metadata};

/// How the folder of a subject is named.
const SUBJECT: &str = "PETCT_";
/// The CT on the grid of the PET, which every edition has, before the one on its own.
const CTS: [&str; 2] = ["CTres.nii.gz", "CT.nii.gz"];

/// Finds the cases of a folder; none where it has no such subjects. The subjects may lie one folder further in.
pub(super) fn find(root: &Path) -> Result<Found, DataSetError> {
    let mut roots = vec![root.to_path_buf()];
    roots.extend(
        entries(root)?
            .into_iter()
            .filter(|path| path.is_dir() && !is_subject(path)),
    );
    let (mut known, mut dropped_columns) = (HashMap::new(), Vec::new());
    for table in roots
        .iter()
        .map(|root| tables(root))
        .collect::<Result<Vec<_>, _>>()?
        .concat()
    {
        let sheet = Sheet::read(&table)?;
        read_fdg(&sheet, &mut known)?;
        dropped_columns.extend(sheet.others(&FDG_COLUMNS));
    }
    let mut cases = Vec::new();
    for root in &roots {
        for subject in entries(root)?.into_iter().filter(|path| is_subject(path)) {
            for study in entries(&subject)? {
                cases.extend(case(&subject, &study, &known));
            }
        }
    }
    Ok((cases, dropped_columns))
}

fn is_subject(path: &Path) -> bool {
    name_of(path).starts_with(SUBJECT) && path.is_dir()
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataSetError> {
    let io = |source| DataSetError::Io {
        action: "list",
        path: folder.to_path_buf(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        paths.push(entry.map_err(io)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Finds the clinical table, whose name differs from edition to edition.
fn tables(root: &Path) -> Result<Vec<PathBuf>, DataSetError> {
    let is_table = |path: &PathBuf| {
        let name = name_of(path).to_lowercase();
        name.ends_with(".csv") && name.contains("metadata") && path.is_file()
    };
    Ok(entries(root)?.into_iter().filter(is_table).collect())
}

/// Reads the folder of a study; nothing where it holds no SUV.
fn case(subject: &Path, study: &Path, known: &HashMap<String, Metadata>) -> Option<CaseSource> {
    let file = |name: &str| Some(study.join(name)).filter(|path| path.is_file());
    let pet = file("SUV.nii.gz")?;
    let ct = CTS.into_iter().find_map(file);
    let subject = name_of(subject);
    let subject = subject.strip_prefix(SUBJECT).unwrap_or(&subject);
    let case_id = format!("fdg_{subject}_{}", name_of(study));
    let mut metadata = known.get(&case_id).cloned().unwrap_or_default();
    metadata.tracer = metadata
        .tracer
        .or_else(|| metadata::tracer_of(None, &case_id));
    let lacking = "it has an SUV.nii.gz but neither CTres.nii.gz nor CT.nii.gz";
    Some(CaseSource {
        label: file("SEG.nii.gz").map(Into::into),
        one_grid: ct.as_ref().is_some_and(|path| path.ends_with(CTS[0])),
        metadata,
        fault: ct.is_none().then(|| lacking.to_owned()),
        ..CaseSource::new(case_id, pet, ct.unwrap_or_else(|| study.join(CTS[0])))
    })
}
