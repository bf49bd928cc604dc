//! Owns the reading of a user's table of cases: `case_id, pet, ct[, label, tracer, age, sex, diagnosis, stage,
//! fold]`.
//!
//! Other columns are never read, so that nothing but these fields of a table can enter a data set.

use std::collections::HashMap;
use std::path::Path;

use super::sheet::{Row, Sheet};
use super::{CaseSource, Found, ImageSource};
use crate::error::DataSetError;
use crate::metadata::{self, Metadata};

/// The columns of which something is taken.
const COLUMNS: [&str; 10] = [
    "case_id",
    "pet",
    "ct",
    "label",
    "tracer",
    "age",
    "sex",
    "diagnosis",
    "stage",
    "fold",
];

/// Reads the cases of a table; paths in it are relative to its folder.
pub(super) fn find(path: &Path) -> Result<Found, DataSetError> {
    let sheet = Sheet::read(path)?;
    let table = Table {
        folder: path.parent().unwrap_or(Path::new("")),
        case_id: sheet.require("case_id")?,
        pet: sheet.require("pet")?,
        ct: sheet.require("ct")?,
        sheet: &sheet,
    };
    let mut lines = HashMap::new();
    let mut cases = Vec::new();
    for row in sheet.rows() {
        let case = table.case(row)?;
        if let Some(line) = lines.insert(case.case_id.clone(), row.line) {
            return Err(sheet.refuse(
                row.line,
                format!("case {} is already on line {line}", case.case_id),
            ));
        }
        cases.push(case);
    }
    Ok((cases, sheet.others(&COLUMNS)))
}

struct Table<'a> {
    sheet: &'a Sheet,
    folder: &'a Path,
    case_id: Option<usize>,
    pet: Option<usize>,
    ct: Option<usize>,
}

impl Table<'_> {
    fn case(&self, row: &Row) -> Result<CaseSource, DataSetError> {
        let case_id = row
            .get(self.case_id)
            .ok_or_else(|| self.sheet.refuse(row.line, "case_id is empty".to_owned()))?;
        let missing = |name: &str| {
            self.sheet
                .refuse(row.line, format!("case {case_id} has no {name}"))
        };
        let pet = self.image(row, self.pet)?.ok_or_else(|| missing("pet"))?;
        let ct = self.image(row, self.ct)?.ok_or_else(|| missing("ct"))?;
        if pet == ct {
            return Err(self.sheet.refuse(
                row.line,
                format!("pet and ct of case {case_id} are the same file"),
            ));
        }
        Ok(CaseSource {
            label: self.image(row, self.sheet.column("label"))?,
            metadata: self.metadata(row, case_id)?,
            fold: self.fold(row)?,
            ..CaseSource::new(case_id, pet, ct)
        })
    }

    /// Finds an image: a file, or a folder with a series.
    fn image(&self, row: &Row, column: Option<usize>) -> Result<Option<ImageSource>, DataSetError> {
        let Some(name) = row.get(column) else {
            return Ok(None);
        };
        let path = self.folder.join(name);
        if path.exists() {
            return Ok(Some(path.into()));
        }
        let reason = format!("there is no file {}", path.display());
        Err(self.sheet.refuse(row.line, reason))
    }

    fn fold(&self, row: &Row) -> Result<Option<u32>, DataSetError> {
        let Some(text) = row.get(self.sheet.column("fold")) else {
            return Ok(None);
        };
        let refuse = |_| {
            let reason = format!("fold {text:?} is no whole number from 0 on");
            self.sheet.refuse(row.line, reason)
        };
        text.parse().map(Some).map_err(refuse)
    }

    fn metadata(&self, row: &Row, case_id: &str) -> Result<Metadata, DataSetError> {
        let field = |name: &str| row.get(self.sheet.column(name));
        let age = field("age").map(|text| {
            metadata::age_of(text).ok_or_else(|| {
                self.sheet.refuse(
                    row.line,
                    format!("age {text:?} is no age: write years (60) or DICOM's form (060Y)"),
                )
            })
        });
        Ok(Metadata {
            tracer: metadata::tracer_of(field("tracer"), case_id),
            age: age.transpose()?,
            sex: field("sex").and_then(metadata::sex_of),
            diagnosis: field("diagnosis").and_then(metadata::diagnosis_of),
            stage: self.stage(field("stage"), row)?,
        })
    }
    /// A stage is one of a few words: what else stands there might be anything.
    fn stage(&self, field: Option<&str>, row: &Row) -> Result<Option<String>, DataSetError> {
        let Some(text) = field else { return Ok(None) };
        let refuse = || {
            let reason = format!("stage {text:?} is none from I to IV: write such as II, IIB or 2");
            self.sheet.refuse(row.line, reason)
        };
        metadata::stage_of(text).map(Some).ok_or_else(refuse)
    }
}
