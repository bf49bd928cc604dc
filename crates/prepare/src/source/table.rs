//! Owns the reading of a user's table of cases: `case_id, pet, ct[, label, tracer, age, sex, diagnosis, stage,
//! fold]`.
//!
//! A row that cannot be used is a case with a fault. Other columns are never read, so that nothing but these fields of a
//! table can enter a data set.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use fratmae_dataset::Metadata;

use super::csv_table::{CsvTable, Row};
use super::fault::{Fault, Remark, counted};
use super::{CaseSource, Found, ImageSource};
use crate::PrepareError;
use crate::metadata;

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
/// A column this much like a known one is taken for a slip of the keyboard, where 1 is the same.
const ALIKE: f64 = 0.8;

/// Reads the cases of a table; paths in it are relative to its folder.
pub(super) fn find(path: &Path) -> Result<Found, PrepareError> {
    let sheet = CsvTable::read(path)?;
    sheet.require_once(&COLUMNS)?;
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
        let mut case = table.case(row);
        if let Some(line) = lines.get(&case.case_id) {
            let fault = Fault::from(format!("the same case_id is on line {line}"));
            case.fault = Some(fault.in_line(&sheet.name(), row.line));
            case.case_id = format!("{} (line {})", case.case_id, row.line);
        }
        lines.insert(case.case_id.clone(), row.line);
        cases.push(case);
    }
    let dropped_columns = sheet.others(&COLUMNS);
    let mut remarks: Vec<Remark> = dropped_columns
        .iter()
        .filter_map(|name| slip(name))
        .collect();
    remarks.extend(table.unread_sexes());
    Ok(Found {
        cases,
        dropped_columns,
        remarks,
    })
}

/// Says which column a name was likely meant to be.
fn slip(name: &str) -> Option<Remark> {
    let lower = name.to_lowercase();
    let likeness = |known: &str| strsim::jaro_winkler(&lower, known);
    let nearest = COLUMNS
        .iter()
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(nearest) >= ALIKE).then(|| Remark {
        text: format!("column {name:?} is not read: if it is {nearest}, rename it"),
        names: Vec::new(),
    })
}

struct Table<'a> {
    sheet: &'a CsvTable,
    folder: &'a Path,
    case_id: Option<usize>,
    pet: Option<usize>,
    ct: Option<usize>,
}

impl Table<'_> {
    /// Reads a row; all that is wrong with it is its fault.
    fn case(&self, row: &Row) -> CaseSource {
        let mut faults: Vec<Fault> = Vec::new();
        faults.extend(self.sheet.fault(row, &COLUMNS).map(Fault::from));
        let case_id = row.get(self.case_id).map(str::to_owned);
        let case_id = case_id.unwrap_or_else(|| {
            faults.push("case_id is missing".to_owned().into());
            format!("line {}", row.line)
        });
        let mut take = |read: Result<Option<ImageSource>, Fault>| {
            read.unwrap_or_else(|fault| {
                faults.push(fault);
                None
            })
        };
        let pet = take(self.required(row, self.pet, "pet"));
        let ct = take(self.required(row, self.ct, "ct"));
        let label = take(self.image(row, self.sheet.column("label"), "label"));
        if pet.is_some() && pet == ct {
            faults.push("pet and ct are the same file".to_owned().into());
        }
        let metadata = self.metadata(row, &case_id, &mut faults);
        let fold = self.fold(row).unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        let none = || ImageSource::from(PathBuf::new());
        CaseSource {
            label,
            metadata,
            fold,
            fault: Fault::join(&faults).map(|fault| fault.in_line(&self.sheet.name(), row.line)),
            ..CaseSource::new(case_id, pet.unwrap_or_else(none), ct.unwrap_or_else(none))
        }
    }

    fn required(
        &self,
        row: &Row,
        column: Option<usize>,
        name: &str,
    ) -> Result<Option<ImageSource>, Fault> {
        let missing = || Fault::from(format!("{name} is missing"));
        self.image(row, column, name)?.map(Some).ok_or_else(missing)
    }

    /// Finds an image: a file, or a folder with a series.
    fn image(
        &self,
        row: &Row,
        column: Option<usize>,
        name: &str,
    ) -> Result<Option<ImageSource>, Fault> {
        let Some(written) = row.get(column) else {
            return Ok(None);
        };
        let path = self.folder.join(written);
        // As Windows writes paths.
        let slashed = self.folder.join(written.replace('\\', "/"));
        let path = if path.exists() { path } else { slashed };
        let place = || path.display().to_string();
        match path.metadata() {
            Ok(found) if found.is_file() || found.is_dir() => Ok(Some(path.into())),
            Ok(_) => {
                let kept =
                    format!("{name} is neither a file nor a folder (a pipe, socket or device)");
                Err(Fault::of(kept, &place()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Fault::of(format!("{name} does not exist"), &place()))
            }
            Err(error) => Err(Fault::of(
                format!("{name} cannot be read ({error})"),
                &place(),
            )),
        }
    }

    /// Reads a fold, which tables with missing ones write as `0.0`.
    fn fold(&self, row: &Row) -> Result<Option<u32>, Fault> {
        let Some(text) = row.get(self.sheet.column("fold")) else {
            return Ok(None);
        };
        let whole = text.strip_suffix(".0").unwrap_or(text);
        let refuse = |_| Fault::of("fold is not a whole number from 0", &format!("{text:?}"));
        whole.parse().map(Some).map_err(refuse)
    }

    fn metadata(&self, row: &Row, case_id: &str, faults: &mut Vec<Fault>) -> Metadata {
        let field = |name: &str| row.get(self.sheet.column(name));
        let age = field("age").map_or(Ok(None), metadata::read_age);
        let age = age.unwrap_or_else(|_| {
            let text = format!(
                "{:?}; write years (60) or DICOM's form (060Y)",
                field("age").unwrap_or_default()
            );
            faults.push(Fault::of("age is not a number of years", &text));
            None
        });
        let stage = field("stage").and_then(metadata::stage_of);
        if let (Some(text), None) = (field("stage"), &stage) {
            let text = format!("{text:?}; write such as II, IIB or 2");
            faults.push(Fault::of("stage is not one from 0 to IV", &text));
        }
        Metadata {
            tracer: metadata::tracer_of(field("tracer"), case_id),
            age,
            sex: field("sex").and_then(metadata::sex_of),
            diagnosis: field("diagnosis").and_then(metadata::diagnosis_of),
            stage,
        }
    }

    /// Counts the rows whose sex is a word and not understood: it is then not known, which is no fault.
    fn unread_sexes(&self) -> Option<Remark> {
        let sex = self.sheet.column("sex");
        let is_unread = |row: &&Row| {
            row.get(sex)
                .is_some_and(|text| metadata::sex_of(text).is_none())
        };
        let rows = self.sheet.rows().iter().filter(is_unread);
        Remark::about(rows.map(|row| format!("line {}", row.line)), |count| {
            let rows = counted(count, "row", "rows");
            format!("sex is not known in {rows}: only male, female, m and f are read")
        })
    }
}
