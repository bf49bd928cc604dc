//! Owns the making of a data set: from the files of cases to shards and a manifest on a store.
//!
//! A shard is written whole or not at all, and beside it a record of what it was made from; a prepare that was stopped
//! keeps the shards whose records still hold. The manifest comes last: without it there is no data set. How one case
//! is read, and how a shard is encoded, is decided elsewhere.

mod inputs;
mod work;

use bytes::Bytes;
use fratmae_store::{Created, Location};
use serde::Serialize;

use crate::DataSetError;
use crate::manifest::{MANIFEST_NAME, Manifest, ManifestCase, shard_name};
use crate::reader::unblocked;
use crate::source::CaseSource;
use inputs::ShardRecord;
use work::{ShardWork, Workshop};

/// Says how a data set is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrepareOptions {
    /// Voxels along R, A and S of every case.
    pub grid: [usize; 3],
    /// Cases in a shard; the last may hold fewer.
    pub cases_per_shard: usize,
    /// Cases worked on at once: each takes some hundred megabytes for a whole-body study.
    pub threads: usize,
    /// Leaves out cases that cannot be read, instead of stopping at the first.
    pub skip_bad: bool,
}

impl Default for PrepareOptions {
    fn default() -> Self {
        Self {
            // Section 3.1 of the paper.
            grid: [160, 160, 192],
            // About 400 MB a shard: few objects, and little work lost when stopped.
            cases_per_shard: 32,
            // More than eight whole-body studies at once would need more memory than most machines spare.
            threads: std::thread::available_parallelism().map_or(1, |cores| cores.get().min(8)),
            // A data set that silently lacks cases is worse than one that is not there.
            skip_bad: false,
        }
    }
}

/// Tells of one case that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrepareProgress {
    /// Cases done so far, this one included.
    pub done: usize,
    /// Cases in all.
    pub total: usize,
    /// The case.
    pub case_id: String,
    /// What became of it.
    pub outcome: CaseOutcome,
}

/// Says what became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaseOutcome {
    /// It was read and encoded.
    Prepared,
    /// Its shard was there already.
    Kept,
    /// It could not be used.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// Sums up a finished prepare.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrepareReport {
    /// Cases read and encoded now.
    pub prepared: usize,
    /// Cases that an earlier prepare left.
    pub kept: usize,
    /// Cases left out.
    pub skipped: Vec<SkippedCase>,
    /// Shards of the data set.
    pub shards: usize,
    /// Digest of the data set.
    pub digest: String,
    /// Whether the data set was complete and unchanged, so that nothing was done.
    pub unchanged: bool,
}

/// Names a case that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct SkippedCase {
    /// The case.
    pub case_id: String,
    /// Why it could not be used.
    pub reason: String,
}

/// Makes the data set of some cases at a location; the same bytes for any number of threads, stopped and run again or
/// not.
///
/// What an earlier prepare of the same cases left is kept; a complete data set of the same cases is left as it is.
///
/// # Errors
/// [`DataSetError::Options`] for a grid that is none; [`DataSetError::Case`] names the first bad case, unless they are skipped; [`DataSetError::Empty`] where none is
/// left; [`DataSetError::OtherDataSet`] where a complete data set of other cases is in the way;
/// [`DataSetError::Store`] where the store fails. After any of them no object under its final name is broken, and the
/// same call goes on where it stopped.
pub async fn prepare(
    cases: Vec<CaseSource>,
    out: &Location,
    options: &PrepareOptions,
    progress: &mut dyn FnMut(PrepareProgress),
) -> Result<PrepareReport, DataSetError> {
    let cases = sorted(cases, out)?;
    let existing = match out.get_if_present(MANIFEST_NAME).await? {
        Some(bytes) => Some(Manifest::parse(&bytes, out.url())?),
        None => None,
    };
    let mut tally = Tally {
        total: cases.len(),
        done: 0,
        prepared: 0,
        kept: 0,
        progress,
    };
    let workshop = Workshop::new(options, cases.iter().any(|case| case.label.is_some()))?;
    let (mut rows, mut skipped, mut shards) = (Vec::new(), Vec::new(), 0);
    for (shard, cases) in cases.chunks(options.cases_per_shard.max(1)).enumerate() {
        let work = ShardWork {
            shard: shard as u32,
            cases: cases.to_vec(),
        };
        let record = match kept(out, &workshop, &work).await? {
            Some(record) => tally.keep(record),
            None if existing.is_some() => return Err(other(out, &work)),
            None => make(out, &workshop, work, &mut tally).await?,
        };
        shards += usize::from(record.bytes.is_some());
        rows.extend(record.cases);
        skipped.extend(record.skipped);
    }
    let unchanged = existing.is_some();
    let manifest = commit(out, options, rows, existing).await?;
    let Tally { prepared, kept, .. } = tally;
    Ok(PrepareReport {
        prepared,
        kept,
        skipped,
        shards,
        digest: manifest.digest,
        unchanged,
    })
}

fn sorted(mut cases: Vec<CaseSource>, out: &Location) -> Result<Vec<CaseSource>, DataSetError> {
    cases.sort_by(|one, other| one.case_id.cmp(&other.case_id));
    if cases.is_empty() {
        let hint = "there are no cases to prepare into it".to_owned();
        return Err(DataSetError::Empty {
            place: out.url().to_owned(),
            hint,
        });
    }
    match cases
        .windows(2)
        .find(|pair| pair[0].case_id == pair[1].case_id)
    {
        Some(pair) => {
            let reason = format!("case {} is given twice", pair[0].case_id);
            Err(DataSetError::Source {
                path: pair[1].pet.clone(),
                reason,
            })
        }
        None => Ok(cases),
    }
}

/// Counts what is done and tells it.
struct Tally<'caller> {
    total: usize,
    done: usize,
    prepared: usize,
    kept: usize,
    progress: &'caller mut dyn FnMut(PrepareProgress),
}

impl Tally<'_> {
    fn tell(&mut self, case_id: String, outcome: CaseOutcome) {
        self.done += 1;
        match outcome {
            CaseOutcome::Kept => self.kept += 1,
            CaseOutcome::Prepared => self.prepared += 1,
            CaseOutcome::Skipped { .. } => {}
        }
        let done = self.done;
        (self.progress)(PrepareProgress {
            done,
            total: self.total,
            case_id,
            outcome,
        });
    }

    fn keep(&mut self, record: ShardRecord) -> ShardRecord {
        for case in &record.inputs {
            let skipped = record
                .skipped
                .iter()
                .find(|skipped| skipped.case_id == case.case_id);
            let outcome = skipped.map_or(CaseOutcome::Kept, |skipped| CaseOutcome::Skipped {
                reason: skipped.reason.clone(),
            });
            self.tell(case.case_id.clone(), outcome);
        }
        record
    }
}

fn record_name(shard: u32) -> String {
    shard_name(shard).replace(".parquet", ".json")
}

/// Returns the record of a shard that need not be made again.
async fn kept(
    out: &Location,
    workshop: &Workshop,
    work: &ShardWork,
) -> Result<Option<ShardRecord>, DataSetError> {
    let Some(bytes) = out.get_if_present(&record_name(work.shard)).await? else {
        return Ok(None);
    };
    // A record that cannot be read is no promise, and its shard is made again.
    let Ok(record) = serde_json::from_slice::<ShardRecord>(&bytes) else {
        return Ok(None);
    };
    let name = shard_name(work.shard);
    let there = out
        .list("shards")
        .await?
        .into_iter()
        .find(|entry| entry.relative == name)
        .map(|entry| entry.size);
    if there != record.bytes {
        return Ok(None);
    }
    let (workshop, work) = (workshop.clone(), work.clone());
    unblocked(move || {
        Ok(record
            .holds(&workshop.settings, &work.cases, workshop.skip_bad)
            .then_some(record))
    })
    .await
}

/// Makes one shard and its record, in that order.
async fn make(
    out: &Location,
    workshop: &Workshop,
    work: ShardWork,
    tally: &mut Tally<'_>,
) -> Result<ShardRecord, DataSetError> {
    let shard = work.shard;
    let (sender, mut outcomes) = tokio::sync::mpsc::channel(64);
    let workshop = workshop.clone();
    let making = tokio::task::spawn_blocking(move || workshop.make(&work, &sender));
    while let Some((case_id, outcome)) = outcomes.recv().await {
        tally.tell(case_id, outcome);
    }
    let (record, bytes) = making.await.map_err(crate::reader::lost)??;
    if let Some(bytes) = bytes {
        out.put(&shard_name(shard), Bytes::from(bytes)).await?;
    }
    out.put(&record_name(shard), Bytes::from(record.to_json()?))
        .await?;
    Ok(record)
}

/// Writes the manifest, or finds that the one that is there says the same.
async fn commit(
    out: &Location,
    options: &PrepareOptions,
    rows: Vec<ManifestCase>,
    existing: Option<Manifest>,
) -> Result<Manifest, DataSetError> {
    if rows.is_empty() {
        let hint = "none of the cases could be used".to_owned();
        return Err(DataSetError::Empty {
            place: out.url().to_owned(),
            hint,
        });
    }
    let manifest = Manifest::new(options.grid, rows);
    let taken = match existing {
        Some(existing) => existing != manifest,
        None => {
            let created = out
                .create(MANIFEST_NAME, Bytes::from(manifest.to_json()?))
                .await?;
            matches!(created, Created::Taken)
        }
    };
    if taken {
        let reason = format!("its {MANIFEST_NAME} lists other cases");
        return Err(DataSetError::OtherDataSet {
            url: out.url().to_owned(),
            reason,
        });
    }
    Ok(manifest)
}

fn other(out: &Location, work: &ShardWork) -> DataSetError {
    let names =
        [work.cases.first(), work.cases.last()].map(|case| case.map_or("", |case| &case.case_id));
    let reason = format!(
        "cases {} to {}, their files or the settings differ from those it was made from",
        names[0], names[1]
    );
    DataSetError::OtherDataSet {
        url: out.url().to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests;
