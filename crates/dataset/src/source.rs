//! Owns the finding of cases: which files make a study, and what is known of the patient. It opens no image, but for
//! the headers of DICOM.

mod autopet;
mod dicom_tree;
mod sheet;
mod table;
mod tcia;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::error::DataSetError;
use crate::metadata::Metadata;

/// The files of one study.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseSource {
    /// Name of the case, unique in its source.
    pub case_id: String,
    /// PET in SUV: a NIfTI file, or a folder with one DICOM series.
    pub pet: PathBuf,
    /// CT in Hounsfield units, on any grid; a file or a folder as the PET.
    pub ct: PathBuf,
    /// Lesion mask, where there is one.
    pub label: Option<PathBuf>,
    /// What is known of tracer and patient.
    pub metadata: Metadata,
}

/// Finds the cases of a source, sorted by case id.
///
/// A source is either a CSV file with the columns `case_id, pet, ct` and optionally `label, tracer, age, sex,
/// diagnosis` (paths relative to the file; `pet` and `ct` may be folders with one DICOM series), or a folder: in the
/// layout of AutoPET (`imagesTr`, `labelsTr`, `fdg_metadata.csv`, `psma_metadata.csv`), in that of TCIA's
/// FDG-PET-CT-Lesions as NIfTI (`PETCT_*/*/SUV.nii.gz`), or a tree of DICOM files with one series a folder.
///
/// # Errors
/// `Source` where it is none of these, or where one of a pair of images is missing; `Table` for what a CSV file holds;
/// `Empty` where there are no cases.
pub fn find_cases(source: &Path) -> Result<Vec<CaseSource>, DataSetError> {
    let refuse = |reason: &str| {
        let looked_for = "looked for a CSV file of cases, or a folder with imagesTr/*_0000.nii.gz (CT) and \
                          imagesTr/*_0001.nii.gz (PET), with PETCT_*/*/SUV.nii.gz, or with DICOM files of PET and CT";
        Err(DataSetError::Source {
            path: source.to_path_buf(),
            reason: format!("{reason}: {looked_for}"),
        })
    };
    let mut cases = if source.is_file() {
        if !source
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
        {
            return refuse("a file that is no CSV");
        }
        table::find(source)?
    } else if source.join(autopet::IMAGES).is_dir() {
        autopet::find(source)?
    } else if source.is_dir() {
        match find_in_folders(source)? {
            Some(cases) => cases,
            None => return refuse("a folder without imagesTr"),
        }
    } else {
        return refuse("nothing is there");
    };
    if cases.is_empty() {
        let hint = "give at least one case with a PET and a CT".to_owned();
        return Err(DataSetError::Empty {
            place: source.display().to_string(),
            hint,
        });
    }
    cases.sort_by(|a, b| a.case_id.cmp(&b.case_id));
    Ok(cases)
}

/// Finds cases in a folder of folders; nothing where these hold neither layout.
fn find_in_folders(root: &Path) -> Result<Option<Vec<CaseSource>>, DataSetError> {
    let cases = tcia::find(root)?;
    if !cases.is_empty() {
        return Ok(Some(cases));
    }
    dicom_tree::find(root)
}
