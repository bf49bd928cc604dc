//! Data sets out: from the files of cases, in whichever layout they lie, to shards and a manifest on a store.
//!
//! Owns the finding of cases and what is wrong with them, the making of one training case, and the making of a whole
//! data set by one call or many, stopped and resumed. How images are read is `imaging`'s, how a shard is laid out
//! `dataset`'s.

mod case;
mod error;
mod metadata;
mod plausible;
mod prepare;
mod source;

#[cfg(test)]
#[path = "../../imaging/src/dicom/test_files.rs"]
mod test_files;

pub use case::prepare_case;
pub use error::PrepareError;
pub use prepare::{
    CaseOutcome, CaseReport, CaseVerdict, KeptFields, Part, PrepareOptions, PrepareProgress,
    PrepareReport, REPORT_NAME, SkippedCase, StoredReport, prepare, stored_report,
};
pub use source::{CaseSource, Fault, Layout, Remark, Survey, find_cases, survey};
