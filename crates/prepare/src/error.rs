//! Owns the error type of this crate, and what of an error a data set may keep.

use std::path::PathBuf;

use fratmae_dataset::DataSetError;
use fratmae_imaging::ImageError;
use fratmae_store::StoreError;
use thiserror::Error;

use crate::source::Fault;

/// Says what went wrong with a source, or with the data set made from it, in one line an operator can act on.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// A file could not be read or written.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried, as a verb: `read`, `write`, `list`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The answer of the operating system.
        source: std::io::Error,
    },
    /// An image cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The data set cannot be written, or holds no cases.
    #[error(transparent)]
    DataSet(#[from] DataSetError),
    /// Two images of one case lie apart in space.
    #[error(
        "PET and {image} do not overlap: PET covers {pet} and {image} covers {other} (mm, RAS): {advice}"
    )]
    NoOverlap {
        /// The image beside the PET: `CT` or `label`.
        image: &'static str,
        /// Physical box of the PET.
        pet: String,
        /// Physical box of the other.
        other: String,
        advice: &'static str,
    },
    /// A case that could be used has notes, where none are accepted.
    #[error("{}: without --strict the case is used and the note is kept", notes.join("; "))]
    Noted { notes: Vec<String> },
    /// A table of cases or of metadata cannot be used.
    #[error("{} line {line}: {reason}", .path.display())]
    Table {
        path: PathBuf,
        /// Line number, the header being line 1.
        line: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A source is in none of the layouts, or not in the one that was named.
    #[error("{}: {reason}", .path.display())]
    Source {
        path: PathBuf,
        /// What was looked for.
        reason: String,
    },
    /// A case cannot be used for what was found before an image was opened.
    #[error("{}", .0.full)]
    Fault(Fault),
    /// Cases cannot be used, where none may be left out.
    #[error(
        "{}: {}", counted(.faults.len()), shortened(.faults)
    )]
    Faults {
        /// Name and reason of each.
        faults: Vec<String>,
    },
    /// One case failed.
    #[error("case {case}{}{part}", if .part.is_empty() { "" } else { ", " })]
    Case {
        case: String,
        /// Which of its images or files, in words that hold no path, such as `file 12 of the PET series`; empty where
        /// it is no single one.
        part: String,
        source: Box<PrepareError>,
    },
    /// The place holds a data set made from other cases.
    #[error(
        "{url} already holds another data set: {reason}; prepare into an empty place, or delete it first"
    )]
    OtherDataSet {
        /// Root of the data set.
        url: String,
        reason: String,
    },
    /// What was asked for does not fit the data or itself.
    #[error("{reason}")]
    Options {
        /// What does not fit, and what to change.
        reason: String,
    },
}

impl PrepareError {
    /// Says why a case failed, without its name, as one line for who works with its files.
    pub(crate) fn full_reason(&self) -> String {
        let Self::Case { part, source, .. } = self else {
            return with_sources(self);
        };
        after(part, &with_sources(source))
    }

    /// Says why a case failed without its name and without a path, which may name a patient: what a data set may keep.
    pub(crate) fn told_without_paths(&self) -> String {
        match self {
            Self::Case { part, source, .. } => after(part, &source.told_without_paths()),
            Self::Io { action, source, .. } => format!("cannot {action} it: {source}"),
            Self::Image(error) => error.without_paths(),
            Self::Table { reason, .. } | Self::Source { reason, .. } => reason.clone(),
            Self::Fault(fault) => fault.kept.clone(),
            Self::DataSet(_)
            | Self::NoOverlap { .. }
            | Self::Noted { .. }
            | Self::Faults { .. }
            | Self::OtherDataSet { .. }
            | Self::Options { .. } => self.to_string(),
        }
    }
}

/// Failures of the store are the data set's.
impl From<StoreError> for PrepareError {
    fn from(error: StoreError) -> Self {
        DataSetError::from(error).into()
    }
}

fn counted(cases: usize) -> String {
    match cases {
        1 => "1 case cannot be used".to_owned(),
        cases => format!("{cases} cases cannot be used"),
    }
}

/// Joins as many reasons as are read.
fn shortened(faults: &[String]) -> String {
    const NAMED: usize = 20;
    let named = faults[..faults.len().min(NAMED)].join("; ");
    match faults.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

fn after(part: &str, reason: &str) -> String {
    match part {
        "" => reason.to_owned(),
        part => format!("{part}: {reason}"),
    }
}

fn with_sources(error: &PrepareError) -> String {
    let mut line = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        line = format!("{line}: {cause}");
        next = cause.source();
    }
    line
}
