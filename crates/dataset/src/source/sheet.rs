//! Owns the reading of CSV files by column name. What the columns mean is for `table` and `autopet` to say.

use std::path::{Path, PathBuf};

use crate::error::DataSetError;

/// A CSV file in memory.
pub(super) struct Sheet {
    path: PathBuf,
    names: Vec<String>,
    rows: Vec<Row>,
}

/// One line of it.
pub(super) struct Row {
    pub(super) line: u64,
    fields: csv::StringRecord,
}

impl Row {
    /// Gives a field without the blanks around it; an empty one counts as missing.
    pub(super) fn get(&self, column: Option<usize>) -> Option<&str> {
        self.fields
            .get(column?)
            .map(str::trim)
            .filter(|field| !field.is_empty())
    }
}

impl Sheet {
    /// Reads a file whose first line names the columns.
    pub(super) fn read(path: &Path) -> Result<Self, DataSetError> {
        let bytes = std::fs::read(path).map_err(|source| DataSetError::Io {
            action: "read",
            path: path.to_path_buf(),
            source,
        })?;
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut reader = csv::Reader::from_reader(text);
        let refuse = |error: csv::Error| {
            let line = error.position().map_or(1, csv::Position::line);
            DataSetError::Table {
                path: path.to_path_buf(),
                line,
                reason: error.to_string(),
            }
        };
        let names = reader
            .headers()
            .map_err(refuse)?
            .iter()
            .map(str::to_owned)
            .collect();
        let mut rows = Vec::new();
        for fields in reader.records() {
            let fields = fields.map_err(refuse)?;
            rows.push(Row {
                line: fields.position().map_or(1, csv::Position::line),
                fields,
            });
        }
        Ok(Self {
            path: path.to_path_buf(),
            names,
            rows,
        })
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
        names.map(|name| name.trim().to_owned()).collect()
    }

    /// Finds a column that must be there.
    pub(super) fn require(&self, name: &str) -> Result<Option<usize>, DataSetError> {
        match self.column(name) {
            Some(column) => Ok(Some(column)),
            None => {
                let found = self.names.join(", ");
                Err(self.refuse(
                    1,
                    format!(
                        "there is no column {name}, only: {found} (columns are parted by commas)"
                    ),
                ))
            }
        }
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(super) fn refuse(&self, line: u64, reason: String) -> DataSetError {
        DataSetError::Table {
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
