//! Owns the report on every case of a prepare, taken or skipped and why, and the bytes of its object.
//!
//! It says nothing that depends on how the work was cut or when it was done, so that equal data sets have equal reports.
//! Nor does it hold a path: names of folders and files may be names of patients.

use fratmae_dataset::{DataSet, DataSetError, LARGEST_TEXT, LAYOUT_VERSION, Note};
use serde::{Deserialize, Serialize};

use super::inputs::ShardRecord;
use super::{KeptFields, PrepareReport};
use crate::PrepareError;
use crate::source::{Layout, Remark};

/// Name of the report below the root of a data set.
pub const REPORT_NAME: &str = "report.json";

/// Says of one case whether it is in the data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseReport {
    pub case_id: String,
    /// What became of it.
    #[serde(flatten)]
    pub verdict: CaseVerdict,
}

/// Says whether a case was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum CaseVerdict {
    /// It is in the data set.
    Taken {
        /// Number of its shard.
        shard: u32,
        /// What is unlikely about it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<Note>,
    },
    /// It could not be used.
    Skipped { reason: String },
}

impl CaseVerdict {
    /// Gives what is unlikely about a case that was taken.
    pub fn notes(&self) -> &[Note] {
        match self {
            Self::Taken { notes, .. } => notes,
            Self::Skipped { .. } => &[],
        }
    }
}

#[derive(Serialize)]
struct Written<'a> {
    layout_version: u32,
    grid: [usize; 3],
    taken: usize,
    noted: usize,
    skipped: usize,
    layout: Layout,
    remarks: Vec<Remark>,
    metadata: &'a KeptFields,
    cases: &'a [CaseReport],
}

/// What a data set's own report tells of its source.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct StoredReport {
    /// Every case, taken or left out.
    pub cases: Vec<CaseReport>,
    /// What lay in the source and was not used; older reports have none.
    #[serde(default)]
    pub remarks: Vec<Remark>,
}

/// Reads the report of a data set; an empty one where there is none, or none that can be read.
///
/// # Errors
/// [`DataSetError::Store`] where the store fails.
pub async fn stored_report(data: &DataSet) -> Result<StoredReport, DataSetError> {
    let bytes = data
        .location
        .find_at_most(REPORT_NAME, LARGEST_TEXT)
        .await?;
    let report = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(report.unwrap_or_default())
}

/// Leaves out the names of files, which in a tree of DICOM files may be names of patients.
fn kept(remark: &Remark, layout: Layout) -> Remark {
    let mut remark = remark.clone();
    if layout == Layout::Dicom {
        remark.names.clear();
    }
    remark
}

/// Lists every case of some shards, sorted by case id.
pub(super) fn case_reports<'a>(
    records: impl IntoIterator<Item = &'a ShardRecord>,
) -> Vec<CaseReport> {
    let of_record = |record: &'a ShardRecord| {
        let taken = record.cases.iter().map(|case| {
            let (shard, notes) = (case.shard, case.notes.clone());
            (&case.case_id, CaseVerdict::Taken { shard, notes })
        });
        let skipped = record.skipped.iter().map(|case| {
            let reason = case.reason.clone();
            (&case.case_id, CaseVerdict::Skipped { reason })
        });
        taken.chain(skipped)
    };
    let reports = records.into_iter().flat_map(of_record);
    let mut reports: Vec<CaseReport> = reports
        .map(|(case_id, verdict)| CaseReport {
            case_id: case_id.clone(),
            verdict,
        })
        .collect();
    reports.sort_by(|one, other| one.case_id.cmp(&other.case_id));
    reports
}

/// Writes the report as the bytes of its object.
pub(super) fn to_json(grid: [usize; 3], report: &PrepareReport) -> Result<Vec<u8>, PrepareError> {
    let cases = &report.cases[..];
    let is_taken = |case: &&CaseReport| matches!(case.verdict, CaseVerdict::Taken { .. });
    let taken = cases.iter().filter(is_taken).count();
    let report = Written {
        layout_version: LAYOUT_VERSION,
        grid,
        taken,
        noted: cases
            .iter()
            .filter(|case| !case.verdict.notes().is_empty())
            .count(),
        skipped: cases.len() - taken,
        layout: report.layout,
        remarks: report
            .remarks
            .iter()
            .map(|remark| kept(remark, report.layout))
            .collect(),
        metadata: &report.metadata,
        cases,
    };
    serde_json::to_vec_pretty(&report).map_err(|error| PrepareError::Io {
        action: "write",
        path: REPORT_NAME.into(),
        source: error.into(),
    })
}
