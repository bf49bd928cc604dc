//! Owns the tables of patients that come with AutoPET and with TCIA's FDG-PET-CT-Lesions: what they tell of a case, and
//! which of their rows belong to none.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use fratmae_dataset::Metadata;

use super::CaseSource;
use super::csv_table::{CsvTable, Row};
use super::fault::{Remark, counted};
use crate::PrepareError;
use crate::metadata;

/// What is taken of the FDG table, and of the PSMA one. Columns that only find the case are not among them.
const FDG_COLUMNS: [&str; 4] = ["age", "sex", "diagnosis", "stage"];
const PSMA_COLUMNS: [&str; 2] = ["age", "pet_radionuclide"];

/// What tables know of cases, by case id.
#[derive(Default)]
pub(super) struct Patients {
    known: HashMap<String, Metadata>,
    /// Rows of each table, by its name: the line, and the case it names.
    rows: BTreeMap<String, Vec<(u64, Option<String>)>>,
}

impl Patients {
    /// Gives what is known of a case; what its name tells is added.
    pub(super) fn of(&self, case_id: &str) -> Metadata {
        let mut metadata = self.known.get(case_id).cloned().unwrap_or_default();
        metadata.tracer = metadata
            .tracer
            .or_else(|| metadata::tracer_of(None, case_id));
        if case_id.starts_with("psma_") {
            metadata.sex.get_or_insert_with(|| "male".to_owned());
            let diagnosis = &mut metadata.diagnosis;
            diagnosis.get_or_insert_with(|| "prostate carcinoma".to_owned());
        }
        metadata
    }

    /// Adds an FDG table, one row a series, whose case is named by the folders in `File Location`; gives the columns of
    /// which nothing is taken.
    pub(super) fn add_fdg(&mut self, path: &Path) -> Result<Vec<String>, PrepareError> {
        let sheet = CsvTable::read(path)?;
        let location = sheet.require("File Location")?;
        for row in sheet.rows() {
            let Some(case_id) = self.note(&sheet, row, row.get(location).and_then(fdg_case_id))
            else {
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
            let known = self.known.entry(case_id).or_default();
            known.tracer = known.tracer.take().or(found.tracer);
            known.age = known.age.or(found.age);
            known.sex = known.sex.take().or(found.sex);
            known.diagnosis = known.diagnosis.take().or(found.diagnosis);
            known.stage = known.stage.take().or(found.stage);
        }
        Ok(sheet.others(&FDG_COLUMNS))
    }

    /// Remembers which case a row names.
    fn note(&mut self, sheet: &CsvTable, row: &Row, case_id: Option<String>) -> Option<String> {
        let rows = self.rows.entry(sheet.name()).or_default();
        rows.push((row.line, case_id.clone()));
        case_id
    }

    /// Says which rows belong to no case.
    pub(super) fn remarks(&self, cases: &[CaseSource]) -> Vec<Remark> {
        let here: BTreeSet<&str> = cases.iter().map(|case| case.case_id.as_str()).collect();
        let of_table = |(table, rows): (&String, &Vec<(u64, Option<String>)>)| {
            let is_stray = |case_id: &Option<String>| {
                let case_id = case_id.as_deref();
                !case_id.is_some_and(|case_id| here.contains(case_id))
            };
            let strays = rows.iter().filter(|(_, case_id)| is_stray(case_id));
            let lines = strays.map(|(line, _)| format!("line {line}"));
            Remark::about(lines, |count| {
                let rows = counted(rows.len(), "row", "rows");
                let belong = if count == 1 { "belongs" } else { "belong" };
                format!("{table}: {count} of {rows} {belong} to no case here")
            })
        };
        self.rows.iter().filter_map(of_table).collect()
    }
}

/// Turns `./FDG-PET-CT-Lesions/PETCT_{hex}/{study}/...` into `fdg_{hex}_{study}`; Windows writes it with backslashes.
fn fdg_case_id(location: &str) -> Option<String> {
    let mut folders = location
        .split(['/', '\\'])
        .filter(|folder| !folder.is_empty())
        .skip_while(|folder| !folder.starts_with("PETCT_"));
    let subject = folders.next()?.strip_prefix("PETCT_")?;
    Some(format!("fdg_{subject}_{}", folders.next()?))
}

/// Adds a PSMA table, one row a study, named by subject and date; gives the columns of which nothing is taken.
pub(super) fn read_psma(path: &Path, patients: &mut Patients) -> Result<Vec<String>, PrepareError> {
    let sheet = CsvTable::read(path)?;
    let (subject, date) = (sheet.require("Subject ID")?, sheet.require("Study Date")?);
    let case_of = |row: &Row| {
        let subject = row.get(subject)?;
        let subject = subject.strip_prefix("PSMA_").unwrap_or(subject);
        Some(format!("psma_{subject}_{}", row.get(date)?))
    };
    for row in sheet.rows() {
        let Some(case_id) = patients.note(&sheet, row, case_of(row)) else {
            continue;
        };
        let field = |name: &str| row.get(sheet.column(name));
        let found = Metadata {
            tracer: metadata::tracer_of(field("pet_radionuclide"), &case_id),
            age: field("age").and_then(metadata::age_of),
            ..Metadata::default()
        };
        patients.known.insert(case_id, found);
    }
    Ok(sheet.others(&PSMA_COLUMNS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_names_its_case_with_slashes_of_either_kind() {
        for location in [
            "./FDG-PET-CT-Lesions/PETCT_0a1b/01-01-2003-NA-PET-CT-12345/2.0-PET",
            ".\\FDG-PET-CT-Lesions\\PETCT_0a1b\\01-01-2003-NA-PET-CT-12345\\2.0-PET",
            "D:\\data\\PETCT_0a1b\\01-01-2003-NA-PET-CT-12345",
            "PETCT_0a1b//01-01-2003-NA-PET-CT-12345/",
        ] {
            let case_id = fdg_case_id(location);
            assert_eq!(
                case_id.as_deref(),
                Some("fdg_0a1b_01-01-2003-NA-PET-CT-12345")
            );
        }
        assert_eq!(fdg_case_id("elsewhere/1"), None);
        assert_eq!(fdg_case_id("PETCT_0a1b"), None);
    }
}
