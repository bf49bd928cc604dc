//! Owns the finding of cases: which files make a study, and what is known of the patient. It opens no image, but for
//! the headers of DICOM.

mod autopet;
mod csv_table;
mod dicom_tree;
mod fault;
mod layout;
mod leftover;
mod names;
mod patients;
mod table;
mod tcia;

#[cfg(test)]
mod tests;

use std::path::Path;

use fratmae_dataset::{Metadata, printable};
use fratmae_imaging::ImageSource;

use crate::PrepareError;

pub use fault::{Fault, Remark};
pub use layout::Layout;

/// The files of one study.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseSource {
    /// Name of the case, unique in its source.
    pub case_id: String,
    /// PET: NIfTI in SUV, or a DICOM series.
    pub pet: ImageSource,
    /// CT in Hounsfield units, on any grid.
    pub ct: ImageSource,
    /// Lesion mask, where there is one: NIfTI, or a DICOM segmentation.
    pub label: Option<ImageSource>,
    /// Whether the CT was brought to the grid of the PET by those who made the source, so that it must lie there.
    pub one_grid: bool,
    /// What is known of tracer and patient.
    pub metadata: Metadata,
    /// The part of a cross-validation that the case is tested in, where the source says so.
    pub fold: Option<u32>,
    /// Why the case cannot be used, where that is known before an image is opened.
    pub fault: Option<Fault>,
}

impl CaseSource {
    /// Names a case of which nothing but its images is known.
    pub fn new(
        case_id: impl Into<String>,
        pet: impl Into<ImageSource>,
        ct: impl Into<ImageSource>,
    ) -> Self {
        Self {
            case_id: case_id.into(),
            pet: pet.into(),
            ct: ct.into(),
            label: None,
            one_grid: false,
            metadata: Metadata::default(),
            fold: None,
            fault: None,
        }
    }

    /// Lists the files that its images are known to be made of.
    fn files(&self) -> impl Iterator<Item = &Path> {
        let images = [&self.pet, &self.ct].into_iter().chain(&self.label);
        images.flat_map(ImageSource::files)
    }

    /// Gives a case whose name could change a terminal, or hide in one, a name that shows and a fault.
    fn with_a_name_that_shows(mut self) -> Self {
        let shown = printable(&self.case_id).into_owned();
        if shown != self.case_id {
            let reason = "its case id holds control characters: rename it".to_owned();
            self.fault.get_or_insert(reason.into());
            self.case_id = shown;
        }
        self
    }
}

/// What a source holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// The layout it is in.
    pub layout: Layout,
    /// The cases, sorted by case id.
    pub cases: Vec<CaseSource>,
    /// Columns of its tables of which nothing enters a data set, sorted.
    pub dropped_columns: Vec<String>,
    /// What else lies there and was not taken.
    pub remarks: Vec<Remark>,
}

/// What a layout finds: cases, the columns of tables that it does not take, and whatever else was not taken.
#[derive(Default)]
struct Found {
    cases: Vec<CaseSource>,
    dropped_columns: Vec<String>,
    remarks: Vec<Remark>,
}

/// Finds the cases of a source, in whichever layout it is.
///
/// # Errors
/// As [`survey`].
pub fn find_cases(source: &Path) -> Result<Vec<CaseSource>, PrepareError> {
    Ok(survey(source, Layout::Auto)?.cases)
}

/// Finds the cases of a source.
///
/// A source is either a CSV file with the columns `case_id, pet, ct` and optionally `label, tracer, age, sex,
/// diagnosis, stage, fold` (paths relative to the file; images may be folders with one DICOM series), or a folder: in
/// the layout of AutoPET (`imagesTr`, `labelsTr`, `fdg_metadata.csv`, `psma_metadata.csv`, `splits_final.json`), in
/// that of TCIA's FDG-PET-CT-Lesions as NIfTI (`PETCT_*/*/SUV.nii.gz`), or any tree of DICOM files.
///
/// # Errors
/// `Source` where it is not in that layout, or in none; `Table` for what a CSV file holds; `Empty` where there are no
/// cases. A single case that lacks something is no error here: it has a `fault`.
pub fn survey(source: &Path, layout: Layout) -> Result<Survey, PrepareError> {
    let (layout, found) = found(source, layout)?;
    let Found {
        cases,
        mut dropped_columns,
        remarks,
    } = found;
    if cases.is_empty() {
        return Err(layout.empty(source, &remarks));
    }
    let cases = cases.into_iter().map(CaseSource::with_a_name_that_shows);
    let mut cases: Vec<CaseSource> = cases.collect();
    cases.sort_by(|a, b| a.case_id.cmp(&b.case_id));
    part_doubles(&mut cases);
    dropped_columns.sort();
    dropped_columns.dedup();
    Ok(Survey {
        layout,
        cases,
        dropped_columns,
        remarks,
    })
}

/// Gives cases of one name a name each, and all but the first a fault.
fn part_doubles(cases: &mut [CaseSource]) {
    for next in 1..cases.len() {
        let (before, rest) = cases.split_at_mut(next);
        let name = rest[0].case_id.clone();
        let same = before.iter().filter(|case| case.case_id == name).count();
        if same > 0 {
            let fault = format!("{name} is there {} times: the first is used", same + 1);
            rest[0].fault = Some(fault.into());
            rest[0].case_id = format!("{name} ({})", same + 1);
        }
    }
    cases.sort_by(|a, b| a.case_id.cmp(&b.case_id));
}

fn found(source: &Path, asked: Layout) -> Result<(Layout, Found), PrepareError> {
    let may_be = |layout| asked == Layout::Auto || asked == layout;
    if may_be(Layout::Table) && is_table(source) {
        return Ok((Layout::Table, table::find(source)?));
    }
    if may_be(Layout::AutoPet) && source.join(autopet::IMAGES).is_dir() {
        return Ok((Layout::AutoPet, autopet::find(source)?));
    }
    if may_be(Layout::Tcia) && source.is_dir() {
        let found = tcia::find(source)?;
        if !found.cases.is_empty() {
            return Ok((Layout::Tcia, found));
        }
    }
    if may_be(Layout::Dicom)
        && source.is_dir()
        && let Some(found) = dicom_tree::find(source)?
    {
        return Ok((Layout::Dicom, found));
    }
    Err(asked.absent(source))
}

fn is_table(source: &Path) -> bool {
    let extension = source.extension().unwrap_or_default();
    source.is_file() && extension.eq_ignore_ascii_case("csv")
}
