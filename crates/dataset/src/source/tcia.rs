//! Owns the reading of TCIA's FDG-PET-CT-Lesions as NIfTI: `PETCT_{subject}/{study}/{SUV,CTres,SEG}.nii.gz`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::CaseSource;
use super::autopet::read_fdg;
use super::sheet::Sheet;
use crate::error::DataSetError;
use crate::metadata::{self, Metadata};

/// How the folder of a subject is named.
const SUBJECT: &str = "PETCT_";
/// The CT on the grid of the PET, which every edition has, before the one on its own.
const CTS: [&str; 2] = ["CTres.nii.gz", "CT.nii.gz"];

/// Finds the cases of a folder; none where it has no such subjects. The subjects may lie one folder further in.
pub(super) fn find(root: &Path) -> Result<Vec<CaseSource>, DataSetError> {
    let mut roots = vec![root.to_path_buf()];
    roots.extend(
        entries(root)?
            .into_iter()
            .filter(|path| path.is_dir() && !is_subject(path)),
    );
    let mut known = HashMap::new();
    for table in roots
        .iter()
        .map(|root| tables(root))
        .collect::<Result<Vec<_>, _>>()?
        .concat()
    {
        read_fdg(&Sheet::read(&table)?, &mut known)?;
    }
    let mut cases = Vec::new();
    for root in &roots {
        for subject in entries(root)?.into_iter().filter(|path| is_subject(path)) {
            for study in entries(&subject)? {
                cases.extend(case(&subject, &study, &known)?);
            }
        }
    }
    Ok(cases)
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
fn case(
    subject: &Path,
    study: &Path,
    known: &HashMap<String, Metadata>,
) -> Result<Option<CaseSource>, DataSetError> {
    let file = |name: &str| Some(study.join(name)).filter(|path| path.is_file());
    let Some(pet) = file("SUV.nii.gz") else {
        return Ok(None);
    };
    let ct = CTS
        .into_iter()
        .find_map(file)
        .ok_or_else(|| DataSetError::Source {
            path: study.to_path_buf(),
            reason: "it has an SUV.nii.gz but neither CTres.nii.gz nor CT.nii.gz".to_owned(),
        })?;
    let subject = name_of(subject);
    let subject = subject.strip_prefix(SUBJECT).unwrap_or(&subject);
    let case_id = format!("fdg_{subject}_{}", name_of(study));
    let mut metadata = known.get(&case_id).cloned().unwrap_or_default();
    metadata.tracer = metadata
        .tracer
        .or_else(|| metadata::tracer_of(None, &case_id));
    Ok(Some(CaseSource {
        case_id,
        pet,
        ct,
        label: file("SEG.nii.gz"),
        metadata,
    }))
}
