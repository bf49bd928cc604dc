//! Owns the making of a data set: from the files of cases to shards and a manifest on a store.
//!
//! A shard is written whole or not at all, and beside it a record of what it was made from; a prepare that was stopped
//! keeps the shards whose records still hold. The manifest comes last: without it there is no data set. How one case
//! is read, and how a shard is encoded, is decided elsewhere.

mod commit;
mod inputs;
mod kept_fields;
mod options;
mod progress;
mod report;
mod shard_builder;
mod shard_range;

use std::collections::BTreeMap;

use bytes::Bytes;
use fratmae_dataset::{
    DataSetError, LARGEST_TEXT, MANIFEST_NAME, Manifest, shard_name, task_failure,
};
use fratmae_store::Location;
use serde::Serialize;

use crate::PrepareError;
use crate::source::{CaseSource, Layout, Remark, Survey};
use inputs::ShardRecord;
pub use kept_fields::KeptFields;
pub use options::PrepareOptions;
use progress::Tally;
pub use progress::{CaseOutcome, PrepareProgress};
pub use report::{CaseReport, CaseVerdict, REPORT_NAME, StoredReport, stored_report};
use shard_builder::{ShardBuilder, ShardWork};
pub use shard_range::Part;

/// Sums up a call of [`prepare`].
///
/// Where shards of other shares are missing it lists the cases of its own share, else those of the whole data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrepareReport {
    /// Cases read and encoded now.
    pub prepared: usize,
    /// Cases that an earlier prepare left, of those shards that this call makes.
    pub kept: usize,
    pub skipped: Vec<SkippedCase>,
    /// Every case, taken or left out.
    pub cases: Vec<CaseReport>,
    /// The layout that the source was read in.
    pub layout: Layout,
    /// What lies in the source and was not taken.
    pub remarks: Vec<Remark>,
    /// What of headers and tables enters the data set, and what does not.
    pub metadata: KeptFields,
    /// Shards that hold cases.
    pub shards: usize,
    /// Names of the shards that other shares have not made yet; without them there is no data set.
    pub missing: Vec<String>,
    /// Digest of the data set, where no shard is missing.
    pub digest: Option<String>,
    /// Whether the data set was complete and unchanged, so that nothing was done.
    pub unchanged: bool,
}

/// Names a case that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct SkippedCase {
    pub case_id: String,
    /// Why it could not be used.
    pub reason: String,
}

/// Makes the data set of some cases at a location; the same bytes for any number of threads and shares, stopped and run
/// again or not.
///
/// What an earlier prepare of the same cases left is kept; of a complete data set of the same cases only shards that are
/// gone are made again. A share makes its own shards only; whichever call finds all shards at its end also writes the manifest, and it does no
/// harm if several do.
///
/// # Errors
/// [`PrepareError::Options`] for a grid or a share that is none; [`PrepareError::Case`] names the first bad case, unless
/// they are skipped; [`DataSetError::Empty`] where none is left; [`DataSetError::Manifest`] names the shards that are
/// missing for [`Part::Merge`]; [`PrepareError::OtherDataSet`] where a complete data set of other cases is in the way;
/// [`DataSetError::Store`] where the store fails. After any of them no object under its final name is broken, and the
/// same call goes on where it stopped.
pub async fn prepare(
    survey: Survey,
    out: &Location,
    options: &PrepareOptions,
    progress: &mut dyn FnMut(PrepareProgress),
) -> Result<PrepareReport, PrepareError> {
    options.part.check()?;
    let about = About::of(&survey);
    let cases = sorted(survey.cases, out)?;
    refuse_faults(&cases, options)?;
    let builder = ShardBuilder::new(options, cases.iter().any(|case| case.label.is_some()))?;
    let works = cut(&cases, options.cases_per_shard);
    let existing = match out.find_at_most(MANIFEST_NAME, LARGEST_TEXT).await? {
        Some(bytes) => Some(Manifest::parse(&bytes, out.url())?),
        None => None,
    };
    let is_mine = |work: &&ShardWork| options.part.makes(work.shard);
    let mine: Vec<&ShardWork> = works.iter().filter(is_mine).collect();
    let mut tally = Tally {
        total: mine.iter().map(|work| work.cases.len()).sum(),
        done: 0,
        prepared: 0,
        kept: 0,
        progress,
    };
    let (sizes, mut records) = (sizes(out).await?, BTreeMap::new());
    for work in mine {
        let record = match look(out, &builder, work, &sizes).await? {
            Made::Whole(record) => tally.keep(record),
            Made::Not if existing.is_some() => return Err(other(out, work)),
            Made::Not | Made::Lost => make(out, &builder, work.clone(), &mut tally).await?,
        };
        records.insert(work.shard, record);
    }
    let (prepared, kept) = (tally.prepared, tally.kept);
    let missing = gather(out, &builder, &works, &mut records).await?;
    if !missing.is_empty() && options.part == Part::Merge {
        return Err(commit::unfinished(out, &missing, works.len()).into());
    }
    let mut report = PrepareReport::of(records.values(), missing, about);
    (report.prepared, report.kept) = (prepared, kept);
    report.unchanged = existing.is_some() && prepared == 0;
    if report.missing.is_empty() {
        let rows = records.into_values().flat_map(|record| record.cases);
        let rows = rows.collect();
        let manifest = commit::commit(out, options.grid, rows, &report, existing).await?;
        report.digest = Some(manifest.digest);
    }
    Ok(report)
}

/// What of a survey goes to the report.
struct About {
    layout: Layout,
    remarks: Vec<Remark>,
    dropped_columns: Vec<String>,
}

impl About {
    fn of(survey: &Survey) -> Self {
        Self {
            layout: survey.layout,
            remarks: survey.remarks.clone(),
            dropped_columns: survey.dropped_columns.clone(),
        }
    }
}

/// Refuses all cases with a fault at once, where none may be left out or none would be left.
fn refuse_faults(cases: &[CaseSource], options: &PrepareOptions) -> Result<(), PrepareError> {
    let faults = cases.iter().filter_map(|case| {
        let fault = case.fault.as_ref()?;
        Some(format!("case {}: {}", case.case_id, fault.full))
    });
    let faults: Vec<String> = faults.collect();
    let may_skip = options.skip_bad && faults.len() < cases.len();
    match faults.is_empty() || may_skip {
        true => Ok(()),
        false => Err(PrepareError::Faults { faults }),
    }
}

impl PrepareReport {
    fn of<'a>(
        records: impl Iterator<Item = &'a ShardRecord> + Clone,
        missing: Vec<String>,
        about: About,
    ) -> Self {
        let skipped = records.clone().flat_map(|record| record.skipped.clone());
        let taken = records.clone().flat_map(|record| &record.cases);
        Self {
            prepared: 0,
            kept: 0,
            skipped: skipped.collect(),
            cases: report::case_reports(records.clone()),
            layout: about.layout,
            remarks: about.remarks,
            metadata: KeptFields::of(taken, about.dropped_columns),
            shards: records.filter(|record| record.bytes.is_some()).count(),
            missing,
            digest: None,
            unchanged: false,
        }
    }
}

/// Cuts cases into the shards that hold them.
fn cut(cases: &[CaseSource], cases_per_shard: usize) -> Vec<ShardWork> {
    let shards = cases.chunks(cases_per_shard.max(1)).enumerate();
    shards
        .map(|(shard, cases)| ShardWork {
            shard: shard as u32,
            cases: cases.to_vec(),
        })
        .collect()
}

fn sorted(mut cases: Vec<CaseSource>, out: &Location) -> Result<Vec<CaseSource>, PrepareError> {
    cases.sort_by(|one, other| one.case_id.cmp(&other.case_id));
    if cases.is_empty() {
        let hint = "there are no cases to prepare into it".to_owned();
        let place = out.url().to_owned();
        return Err(DataSetError::Empty { place, hint }.into());
    }
    match cases
        .windows(2)
        .find(|pair| pair[0].case_id == pair[1].case_id)
    {
        Some(pair) => {
            let reason = format!("case {} is given twice", pair[0].case_id);
            Err(PrepareError::Source {
                path: pair[1].pet.path().to_path_buf(),
                reason,
            })
        }
        None => Ok(cases),
    }
}

fn record_name(shard: u32) -> String {
    shard_name(shard).replace(".parquet", ".json")
}

/// Returns the sizes of all objects of shards.
async fn sizes(out: &Location) -> Result<BTreeMap<String, u64>, PrepareError> {
    let there = out.list("shards").await?;
    Ok(there
        .into_iter()
        .map(|entry| (entry.relative, entry.size))
        .collect())
}

/// Adds the records that other calls left, and returns the names of the shards that are not there.
///
/// While a record is missing it reads none, so that only the last of many calls looks at everything.
async fn gather(
    out: &Location,
    builder: &ShardBuilder,
    works: &[ShardWork],
    records: &mut BTreeMap<u32, ShardRecord>,
) -> Result<Vec<String>, PrepareError> {
    if works.len() == records.len() {
        return Ok(Vec::new());
    }
    let sizes = sizes(out).await?;
    let others = works
        .iter()
        .filter(|work| !records.contains_key(&work.shard));
    let others: Vec<&ShardWork> = others.collect();
    let is_absent = |work: &&&ShardWork| !sizes.contains_key(&record_name(work.shard));
    let absent = others.iter().filter(is_absent);
    let mut missing: Vec<String> = absent.map(|work| shard_name(work.shard)).collect();
    if missing.is_empty() {
        for work in others {
            match look(out, builder, work, &sizes).await? {
                Made::Whole(record) => drop(records.insert(work.shard, record)),
                Made::Lost | Made::Not => missing.push(shard_name(work.shard)),
            }
        }
    }
    Ok(missing)
}

/// What an earlier call left of a shard.
enum Made {
    /// It need not be made again.
    Whole(ShardRecord),
    /// It was made of the same cases, and is gone or of another size: made again it has the same bytes.
    Lost,
    /// It was not made, or of other cases.
    Not,
}

/// Looks what there is of a shard, given the sizes of what is there.
async fn look(
    out: &Location,
    builder: &ShardBuilder,
    work: &ShardWork,
    sizes: &BTreeMap<String, u64>,
) -> Result<Made, PrepareError> {
    if !sizes.contains_key(&record_name(work.shard)) {
        return Ok(Made::Not);
    }
    let Some(bytes) = out
        .find_at_most(&record_name(work.shard), LARGEST_TEXT)
        .await?
    else {
        return Ok(Made::Not);
    };
    // A record that cannot be read is no promise, and its shard is made again.
    let Ok(record) = serde_json::from_slice::<ShardRecord>(&bytes) else {
        return Ok(Made::Not);
    };
    let is_whole = sizes.get(&shard_name(work.shard)).copied() == record.bytes;
    let (builder, work) = (builder.clone(), work.clone());
    let task = tokio::task::spawn_blocking(move || match record.holds(&builder, &work.cases) {
        true if is_whole => Made::Whole(record),
        true => Made::Lost,
        false => Made::Not,
    });
    Ok(task.await.map_err(task_failure)?)
}

/// Makes one shard and its record, in that order.
async fn make(
    out: &Location,
    builder: &ShardBuilder,
    work: ShardWork,
    tally: &mut Tally<'_>,
) -> Result<ShardRecord, PrepareError> {
    let shard = work.shard;
    let (sender, mut outcomes) = tokio::sync::mpsc::channel(64);
    let builder = builder.clone();
    let making = tokio::task::spawn_blocking(move || builder.make(&work, &sender));
    while let Some((case_id, outcome)) = outcomes.recv().await {
        tally.tell(case_id, outcome);
    }
    let (record, bytes) = making.await.map_err(task_failure)??;
    if let Some(bytes) = bytes {
        out.put(&shard_name(shard), bytes).await?;
    }
    out.put(&record_name(shard), Bytes::from(record.to_json()?))
        .await?;
    Ok(record)
}

fn other(out: &Location, work: &ShardWork) -> PrepareError {
    let names =
        [work.cases.first(), work.cases.last()].map(|case| case.map_or("", |case| &case.case_id));
    let reason = format!(
        "cases {} to {}, their files or the settings differ from those it was made from",
        names[0], names[1]
    );
    PrepareError::OtherDataSet {
        url: out.url().to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests;
