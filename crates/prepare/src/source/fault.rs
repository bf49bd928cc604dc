//! Owns what is wrong with a source: a case that cannot be used, and what was not taken.

use std::fmt::{self, Display};
use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// Why a case cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The reason for who works with the files: it may name a path or a field of a table.
    pub full: String,
    /// The same without either, which a data set may keep.
    pub kept: String,
}

impl From<String> for Fault {
    /// Takes a reason that holds nothing which may name a patient.
    fn from(reason: String) -> Self {
        Self {
            full: reason.clone(),
            kept: reason,
        }
    }
}

/// Reads as the reason that a data set may keep.
impl Deref for Fault {
    type Target = str;

    fn deref(&self) -> &str {
        &self.kept
    }
}

impl Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self)
    }
}

impl Fault {
    /// Names what may name a patient to those who work with the files only.
    pub(super) fn of(kept: impl Into<String>, detail: &str) -> Self {
        let kept = kept.into();
        Self {
            full: format!("{kept}: {detail}"),
            kept,
        }
    }

    /// Puts several faults of one case into one.
    pub(super) fn join(faults: &[Self]) -> Option<Self> {
        let join = |text: fn(&Self) -> &str| {
            let texts: Vec<&str> = faults.iter().map(text).collect();
            texts.join("; ")
        };
        (!faults.is_empty()).then(|| Self {
            full: join(|fault| &fault.full),
            kept: join(|fault| &fault.kept),
        })
    }

    /// Says in which line of which table it is; the name of the table is for who works with the files.
    pub(super) fn in_line(self, table: &str, line: u64) -> Self {
        Self {
            full: format!("{table} line {line}: {}", self.full),
            kept: format!("line {line}: {}", self.kept),
        }
    }
}

/// Says what lies in a source and was not taken, or what a table or list of it does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// What, and how often; it names no file.
    pub text: String,
    /// Names of what it is about, the first few; a data set keeps them only where they are names of cases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// More names than these would not be read.
const NAMED: usize = 20;

impl Remark {
    /// Makes a remark about some things, if there are any; `text` says it of their number.
    pub(super) fn about(
        names: impl IntoIterator<Item = String>,
        text: impl FnOnce(usize) -> String,
    ) -> Option<Self> {
        let mut names: Vec<String> = names.into_iter().collect();
        let count = names.len();
        names.truncate(NAMED);
        (count > 0).then(|| Self {
            text: text(count),
            names,
        })
    }
}

/// Says how many of something there are, as English writes it.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
