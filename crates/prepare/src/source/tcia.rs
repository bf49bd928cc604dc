//! Owns the reading of TCIA's FDG-PET-CT-Lesions as NIfTI: `PETCT_{subject}/{study}/{SUV,CTres,SEG}.nii.gz`.

use std::path::{Path, PathBuf};

use super::fault::{Fault, Remark};
use super::leftover::{entries, leftovers};
use super::patients::Patients;
use super::{CaseSource, Found};
use crate::PrepareError;

/// How the folder of a subject is named.
const SUBJECT: &str = "PETCT_";
/// The PET, and the one in Bq/ml that lies beside it.
const PET: &str = "SUV";
const ACTIVITY: &str = "PET";
/// The CT on the grid of the PET, which every edition has, before the one on its own.
const CTS: [&str; 2] = ["CTres", "CT"];
const LABEL: &str = "SEG";

/// Finds the cases of a folder; none where no study of it has an SUV. The subjects may lie one folder further in.
///
/// A study without SUV or CT is then a case with a fault: a conversion that was stopped leaves such.
pub(super) fn find(root: &Path) -> Result<Found, PrepareError> {
    let mut roots = vec![root.to_path_buf()];
    // A link may lead back to where it lies.
    let mut seen: Vec<PathBuf> = root.canonicalize().into_iter().collect();
    for path in entries(root)? {
        if path.is_dir()
            && !is_subject(&path)
            && let Ok(real) = path.canonicalize()
            && !seen.contains(&real)
        {
            seen.push(real);
            roots.push(path);
        }
    }
    let (mut patients, mut dropped_columns) = (Patients::default(), Vec::new());
    let mut sheets = Vec::new();
    for root in &roots {
        sheets.extend(tables(root)?);
    }
    for table in &sheets {
        dropped_columns.extend(patients.add_fdg(table)?);
    }
    let mut cases = Vec::new();
    let mut without_study = Vec::new();
    for root in &roots {
        for subject in entries(root)?.into_iter().filter(|path| is_subject(path)) {
            let studies = entries(&subject)?.into_iter().filter(|path| path.is_dir());
            let before = cases.len();
            for study in studies {
                cases.push(case(&subject, &study, &patients)?);
            }
            if cases.len() == before {
                without_study.push(name_of(&subject));
            }
        }
    }
    let has_suv = |case: &CaseSource| case.pet.path().is_file();
    if !cases.iter().any(has_suv) {
        return Ok(Found::default());
    }
    let is_other = |file: &Path| {
        let stem = stem_of(file);
        sheets.iter().any(|sheet| sheet == file)
            || stem.is_some_and(|stem| stem == ACTIVITY || stem == CTS[1])
    };
    let mut remarks = leftovers(root, &cases, &is_other);
    remarks.extend(patients.remarks(&cases));
    remarks.extend(Remark::about(without_study, |count| {
        format!("{count} of the folders {SUBJECT}* hold no folder of a study")
    }));
    Ok(Found {
        cases,
        dropped_columns,
        remarks,
    })
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

/// Finds the clinical table, whose name differs from edition to edition.
fn tables(root: &Path) -> Result<Vec<PathBuf>, PrepareError> {
    let is_table = |path: &PathBuf| {
        let name = name_of(path).to_lowercase();
        name.ends_with(".csv") && name.contains("metadata") && path.is_file()
    };
    Ok(entries(root)?.into_iter().filter(is_table).collect())
}

/// Gives the name of a NIfTI file without its ending, in whatever case that is written.
fn stem_of(file: &Path) -> Option<String> {
    let name = name_of(file);
    let lower = name.to_ascii_lowercase();
    let stem = lower
        .strip_suffix(".nii.gz")
        .or_else(|| lower.strip_suffix(".nii"))?;
    Some(name[..stem.len()].to_owned())
}

/// Reads the folder of a study.
fn case(subject: &Path, study: &Path, patients: &Patients) -> Result<CaseSource, PrepareError> {
    let files: Vec<PathBuf> = entries(study)?
        .into_iter()
        .filter(|path| path.is_file())
        .collect();
    let mut faults = Vec::new();
    let mut file = |stem: &str| {
        let is_it = |path: &&PathBuf| stem_of(path).as_deref() == Some(stem);
        let mut fitting = files.iter().filter(is_it);
        let found = fitting.next().cloned();
        if fitting.next().is_some() {
            let reason = format!("it has several files of {stem}: leave one of them");
            faults.push(Fault::from(reason));
        }
        found
    };
    let (pet, label) = (file(PET), file(LABEL));
    let on_grid = file(CTS[0]);
    let one_grid = on_grid.is_some();
    let ct = on_grid.or_else(|| file(CTS[1]));
    let has_activity = file(ACTIVITY).is_some();
    if pet.is_none() {
        let hint = match has_activity {
            true => ", only the PET.nii.gz in Bq/ml: was its conversion stopped?",
            false => "",
        };
        faults.push(Fault::from(format!("it has no SUV.nii.gz{hint}")));
    }
    if ct.is_none() {
        faults.push(Fault::from(
            "it has neither CTres.nii.gz nor CT.nii.gz".to_owned(),
        ));
    }
    let subject = name_of(subject);
    let subject = subject.strip_prefix(SUBJECT).unwrap_or(&subject);
    let case_id = format!("fdg_{subject}_{}", name_of(study));
    let or_usual = |file: Option<PathBuf>, stem: &str| {
        file.unwrap_or_else(|| study.join(format!("{stem}.nii.gz")))
    };
    Ok(CaseSource {
        label: label.map(Into::into),
        one_grid,
        metadata: patients.of(&case_id),
        fault: Fault::join(&faults),
        ..CaseSource::new(case_id, or_usual(pet, PET), or_usual(ct, CTS[0]))
    })
}
