//! Owns the reading of CSV files by column name. What the columns mean is for `table` and `autopet` to say.

use std::path::{Path, PathBuf};

use crate::PrepareError;
use crate::metadata::known;

/// A CSV file in memory.
pub(super) struct CsvTable {
    path: PathBuf,
    names: Vec<String>,
    rows: Vec<Row>,
}

/// One line of it; a line of nothing but commas is none.
pub(super) struct Row {
    pub(super) line: u64,
    /// What is no UTF-8 in them is replaced by `U+FFFD`.
    fields: Vec<String>,
}

impl Row {
    /// Gives a field without the blanks around it; one that is empty, or a word for a missing value, is none.
    pub(super) fn get(&self, column: Option<usize>) -> Option<&str> {
        self.fields.get(column?).and_then(|field| known(field))
    }
}

impl CsvTable {
    /// Reads a file whose first line names the columns.
    pub(super) fn read(path: &Path) -> Result<Self, PrepareError> {
        let bytes = std::fs::read(path).map_err(|source| PrepareError::Io {
            action: "read",
            path: path.to_path_buf(),
            source,
        })?;
        let refuse = |line, reason: String| PrepareError::Table {
            path: path.to_path_buf(),
            line,
            reason,
        };
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(refuse(
                1,
                "it is UTF-16: save it as CSV in UTF-8".to_owned(),
            ));
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
        let unreadable = |error: csv::Error| {
            let line = error.position().map_or(1, csv::Position::line);
            refuse(line, error.to_string())
        };
        let texts = |record: &csv::ByteRecord| -> Vec<String> {
            let text = |field| String::from_utf8_lossy(field).into_owned();
            record.iter().map(text).collect()
        };
        let names = texts(reader.byte_headers().map_err(unreadable)?);
        let mut rows = Vec::new();
        for record in reader.byte_records() {
            let record = record.map_err(unreadable)?;
            let row = Row {
                line: record.position().map_or(1, csv::Position::line),
                fields: texts(&record),
            };
            if row.fields.iter().any(|field| !field.trim().is_empty()) {
                rows.push(row);
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            names,
            rows,
        })
    }

    /// Says why a row cannot be read by these columns, if so.
    pub(super) fn fault(&self, row: &Row, columns: &[&str]) -> Option<String> {
        let (expected, found) = (self.names.len(), row.fields.len());
        let rest = row.fields.get(expected..).unwrap_or_default();
        if found < expected || rest.iter().any(|field| !field.trim().is_empty()) {
            return Some(format!(
                "it has {found} fields and the header has {expected} (put text with commas in quotes)"
            ));
        }
        let is_damaged = |name: &&&str| {
            let field = row.get(self.column(name));
            field.is_some_and(|field| field.contains(char::REPLACEMENT_CHARACTER))
        };
        let damaged = columns.iter().find(is_damaged);
        damaged.map(|name| format!("its {name} is not UTF-8: save the table as CSV in UTF-8"))
    }

    /// Finds a column; case and punctuation of its name do not matter.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.names
            .iter()
            .position(|found| plain(found) == plain(name))
    }

    /// Names the columns that are none of these, as the file writes them.
    pub(super) fn others(&self, known: &[&str]) -> Vec<String> {
        let is_other = |found: &&String| !known.iter().any(|name| plain(found) == plain(name));
        let names = self.names.iter().filter(is_other);
        let names = names.map(|name| name.trim().to_owned());
        names.filter(|name| !name.is_empty()).collect()
    }

    /// Finds a column that must be there.
    pub(super) fn require(&self, name: &str) -> Result<Option<usize>, PrepareError> {
        match self.column(name) {
            Some(column) => Ok(Some(column)),
            None => {
                let found = self.names.join(", ");
                Err(self.refuse(
                    1,
                    format!(
                        "column {name} is missing; found: {found} (columns must be separated by commas)"
                    ),
                ))
            }
        }
    }

    /// Refuses a sheet that has one of these columns twice.
    pub(super) fn require_once(&self, columns: &[&str]) -> Result<(), PrepareError> {
        let count = |name: &str| {
            let same = self
                .names
                .iter()
                .filter(|found| plain(found) == plain(name));
            same.count()
        };
        match columns.iter().find(|name| count(name) > 1) {
            Some(name) => Err(self.refuse(1, format!("column {name} is there twice: remove one"))),
            None => Ok(()),
        }
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Gives the name of the file without its folder.
    pub(super) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    pub(super) fn refuse(&self, line: u64, reason: String) -> PrepareError {
        PrepareError::Table {
            path: self.path.clone(),
            line,
            reason,
        }
    }
}

/// Leaves the letters and digits of a name, in lower case.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}
