//! A run as it lies on its store: what audit and replay both read of it.

use crate::error::ProofError;
use fratmae_checkpoint::{CheckpointError, CheckpointId, Entry, Journal, Record, list};
use fratmae_config::{BadBatch, BadSample, Config};
use fratmae_coordinator::{
    HistoryFile, HistoryRow, KeptHistory, RunFile, read_history_files, read_run_file, stored_config,
};
use fratmae_dataset::DataSet;
use fratmae_store::Location;
use futures::{StreamExt, TryStreamExt};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Objects read at a time.
const AT_ONCE: usize = 16;

/// A run, read but for its checkpoints' parts and the slices of its data set.
pub struct Subject {
    pub run: Location,
    pub run_file: RunFile,
    pub config: Config,
    /// This build.
    pub version: String,
    /// The records of the journal; none if they cannot be read as a whole.
    pub entries: Option<Vec<Entry>>,
    /// Records that cannot be read, and why, a line each.
    pub unread: Vec<String>,
    /// How many records there are, and a digest of all.
    pub journal: (usize, String),
    /// The files of the history, in the order of their names.
    pub files: Vec<HistoryFile>,
    /// Checkpoints with a manifest that the journal has not given up, oldest step first.
    pub kept: Vec<CheckpointId>,
    /// Where the data set should be.
    pub data_url: String,
    /// The data set; why it cannot be opened, in one line.
    pub data: Result<Arc<DataSet>, String>,
}

impl Subject {
    /// Reads a run. Its data set is where its job says, unless `data` names another place.
    ///
    /// # Errors
    /// There is no run, its `config.json` cannot be read, or the store fails.
    pub async fn open(
        run: &Location,
        data: Option<&str>,
        version: &str,
    ) -> Result<Self, ProofError> {
        let run_file = read_run_file(run).await?;
        let config = stored_config(run, &run_file, version).await?;
        let (entries, unread) = match Journal::read(run).await {
            Ok(found) => {
                let torn = found.torn.iter().map(ToString::to_string).collect();
                (Some(found.entries), torn)
            }
            Err(CheckpointError::Store(error)) => return Err(error.into()),
            Err(error) => (None, vec![error.to_string()]),
        };
        let removed = removed(entries.iter().flatten());
        let mut kept = list(run).await?;
        kept.retain(|id| !removed.contains(id));
        let data_url = data.unwrap_or(&config.data.url).to_owned();
        Ok(Self {
            run: run.clone(),
            entries,
            unread,
            journal: journal_digest(run).await?,
            files: read_history_files(run).await?,
            kept,
            data: open_data(&data_url).await,
            data_url,
            version: version.to_owned(),
            run_file,
            config,
        })
    }

    /// The figures of every step, in step order.
    #[must_use]
    pub fn rows(&self) -> Vec<HistoryRow> {
        KeptHistory::of(self.files.iter().cloned()).rows
    }

    /// The records, as far as they can be read.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.entries.iter().flatten().map(|entry| &entry.record)
    }

    /// The data set, if it is the one that the run began with.
    ///
    /// # Errors
    /// `Data`.
    pub fn same_data(&self) -> Result<Arc<DataSet>, ProofError> {
        let data = self.data.clone().map_err(ProofError::Data)?;
        match self.data_fault(&data) {
            None => Ok(data),
            Some(fault) => Err(ProofError::Data(fault)),
        }
    }

    /// In what a data set is another one than the run's.
    pub(crate) fn data_fault(&self, data: &DataSet) -> Option<String> {
        let RunFile {
            data_digest,
            manifest_digest,
            cases,
            ..
        } = &self.run_file;
        let url = data.location.url();
        let (n_cases, digest) = (data.manifest.cases.len(), data.manifest.digest());
        if n_cases != *cases {
            return Some(format!(
                "{url} has {n_cases} cases and the run was trained on {cases}"
            ));
        }
        if digest != *data_digest {
            return Some(format!(
                "{url} is not the data set of the run: its digest is {digest}, was {data_digest}"
            ));
        }
        let found = &data.manifest_digest;
        let began = manifest_digest.as_ref().filter(|began| *began != found)?;
        Some(format!(
            "the manifest of {url} is not the one of the run: its digest is {found}, was {began}"
        ))
    }

    /// The job as it is computed again: trouble that the run went on after is gone on after.
    #[must_use]
    pub fn replayed_config(&self) -> Config {
        let mut config = self.config.clone();
        // A job that ended with "fail" may have been resumed with "skip", and where both go on the bits are the same.
        config.train.bad_batch = BadBatch::Skip;
        let has_skipped = |record: &Record| matches!(record, Record::Skipped { .. });
        if self.records().any(has_skipped) {
            config.data.bad_sample = BadSample::Skip;
        }
        config
    }
}

/// The checkpoints that the journal has given up.
pub(crate) fn removed<'a>(entries: impl Iterator<Item = &'a Entry>) -> BTreeSet<CheckpointId> {
    let removed = entries.filter_map(|entry| match entry.record {
        Record::Removed { step, generation } => Some(checkpoint(step, generation)),
        _ => None,
    });
    removed.collect()
}

/// The checkpoint of a step and a generation.
pub(crate) const fn checkpoint(step: u64, generation: u64) -> CheckpointId {
    CheckpointId {
        step: fratmae_control::Step::new(step),
        generation: fratmae_control::Generation::new(generation),
    }
}

/// One digest over objects: BLAKE3 over a line for each, as `b3sum` prints it.
pub(crate) fn digest_of<'a>(objects: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, digest) in objects {
        hasher.update(format!("{digest}  {name}\n").as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

async fn journal_digest(run: &Location) -> Result<(usize, String), ProofError> {
    let objects = run.list("journal").await?.into_iter();
    let names = objects.map(|object| object.relative);
    let names = names.filter(|name| name.ends_with(".json"));
    let digested = futures::stream::iter(names.collect::<Vec<_>>()).map(|name| async move {
        let bytes = run.get(&name).await?;
        Ok::<_, ProofError>((name, blake3::hash(&bytes).to_hex().to_string()))
    });
    let lines: Vec<_> = digested.buffered(AT_ONCE).try_collect().await?;
    let objects = lines.iter().map(|(name, digest)| (&**name, &**digest));
    Ok((lines.len(), digest_of(objects)))
}

async fn open_data(url: &str) -> Result<Arc<DataSet>, String> {
    let location = Location::open(url).map_err(|error| error.to_string())?;
    let opened = DataSet::open(&location).await;
    opened
        .map(Arc::new)
        .map_err(|error| fratmae_telemetry::one_line(&error))
}
