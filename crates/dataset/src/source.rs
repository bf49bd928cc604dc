//! Owns the finding of cases: which files make a study, and what is known of the patient. It opens no image.

mod autopet;
mod sheet;
mod table;

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
    /// PET in SUV.
    pub pet: PathBuf,
    /// CT in Hounsfield units, on any grid.
    pub ct: PathBuf,
    /// Lesion mask, where there is one.
    pub label: Option<PathBuf>,
    /// What is known of tracer and patient.
    pub metadata: Metadata,
}

/// Finds the cases of a source, sorted by case id.
///
/// A source is either a CSV file with the columns `case_id, pet, ct` and optionally `label, tracer, age, sex,
/// diagnosis` (paths relative to the file), or a folder in the layout of AutoPET (`imagesTr`, `labelsTr`,
/// `fdg_metadata.csv`, `psma_metadata.csv`).
///
/// # Errors
/// `Source` where it is neither, or where one of a pair of images is missing; `Table` for what a CSV file holds;
/// `Empty` where there are no cases.
pub fn find_cases(source: &Path) -> Result<Vec<CaseSource>, DataSetError> {
    let refuse = |reason: &str| {
        let looked_for = "looked for a CSV file of cases, or a folder with imagesTr/*_0000.nii.gz (CT) and \
                          imagesTr/*_0001.nii.gz (PET)";
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
    } else {
        return refuse(if source.exists() {
            "a folder without imagesTr"
        } else {
            "nothing is there"
        });
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
