//! Figures of every step as Parquet, for plots and for pandas.
//!
//! A file is written before the manifest that makes its steps part of the run, so that what a manifest
//! covers always has its figures; until then it may be written again. It has every step that its name says: where
//! figures are missing, a file ends.

mod file;
mod trim;

pub use self::trim::steps_of;
pub(crate) use self::trim::trim_history;

use self::file::{decode, encode};
use crate::error::CoordinatorError;
use crate::event::RunEvent;
use bytes::Bytes;
use fratmae_config::Train;
use fratmae_protocol::pb::{Figures, Trained};
use fratmae_store::{Location, StoreError};
use fratmae_telemetry::{LOSS, Metrics};
use futures::{StreamExt, TryStreamExt};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

const FOLDER: &str = "history";

/// The most bytes of a file: the steps between two checkpoints, of some million samples each.
const LARGEST: u64 = 256 << 20;

/// One step's figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HistoryRow {
    pub step: u64,
    /// The generation that applied it.
    pub generation: u64,
    /// Samples in the lineage of the weights after the step.
    pub samples: u64,
    /// Its metrics.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// How long it took.
    pub seconds: f64,
    /// When it ended, in milliseconds since 1970 by the coordinator's clock; none in files of versions that did not
    /// record it, and of a step that was told later.
    pub unix_ms: Option<u64>,
    /// Seconds of each phase that took some, by its name.
    pub phases: BTreeMap<String, f64>,
    /// What it was trained on; none in files of versions that did not record it.
    #[serde(skip)]
    pub trained: Option<Trained>,
}

impl HistoryRow {
    /// The row of a step, from what a worker says of it.
    pub(crate) fn of(generation: u64, step: u64, figures: Figures) -> Self {
        let metrics = figures.metrics.into_iter();
        let phases = figures.phases.into_iter();
        Self {
            step,
            generation,
            samples: figures.samples,
            metrics: metrics.map(|metric| (metric.name, metric.value)).collect(),
            seconds: figures.seconds,
            unix_ms: None,
            phases: phases.map(|spent| (spent.phase, spent.seconds)).collect(),
            trained: figures.trained,
        }
    }

    /// Its loss; not a number if that is unknown.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.metrics.get(LOSS)
    }

    /// Samples a second in this step of `batch` samples; none if it took no time.
    pub(crate) fn samples_per_second(&self, batch: usize) -> Option<f64> {
        let speed = batch as f64 / self.seconds;
        (speed.is_finite() && speed > 0.0).then_some(speed)
    }

    /// The event that it was applied, in a job that trains so.
    pub(crate) fn applied(&self, train: &Train) -> RunEvent {
        RunEvent::Applied {
            step: self.step,
            steps: train.steps,
            samples: self.samples,
            seconds: self.seconds,
            samples_per_second: self.samples_per_second(train.batch).unwrap_or_default(),
            metrics: self.metrics.clone(),
        }
    }
}

/// Steps applied since the last commit.
#[derive(Default)]
pub(crate) struct History {
    rows: Vec<HistoryRow>,
    /// Files written since they were last asked for, with BLAKE3 over their bytes.
    written: BTreeMap<String, String>,
}

impl History {
    /// Takes a step in; a step that comes again replaces its row.
    pub(crate) fn push(&mut self, row: HistoryRow) {
        match self.rows.binary_search_by_key(&row.step, |kept| kept.step) {
            Ok(place) => self.rows[place] = row,
            Err(place) => self.rows.insert(place, row),
        }
    }

    /// The newest step up to which there is a row for every step after `committed`.
    pub(crate) fn complete_until(&self, committed: u64) -> u64 {
        let steps = self.rows.iter().map(|row| row.step);
        let follows = |until, step| match step == until + 1 {
            true => step,
            false => until,
        };
        steps.fold(committed, follows)
    }

    /// The loss of a step that has not been flushed; not a number if its figures never came.
    pub(crate) fn loss(&self, step: u64) -> f64 {
        let row = self.rows.iter().find(|row| row.step == step);
        row.map_or(f64::NAN, HistoryRow::loss)
    }

    /// Forgets everything after `step`, which a new generation goes on from.
    pub(crate) fn rewind(&mut self, step: u64) {
        self.rows.retain(|row| row.step <= step);
    }

    /// Writes the rows up to `step` and forgets them.
    pub(crate) async fn flush(
        &mut self,
        run: &Location,
        step: u64,
    ) -> Result<(), CoordinatorError> {
        let (due, later): (Vec<_>, Vec<_>) = self.rows.drain(..).partition(|row| row.step <= step);
        self.rows = later;
        for rows in due.chunk_by(|row, next| row.step + 1 == next.step) {
            let (first, last) = (rows[0].step, rows[rows.len() - 1].step);
            let name = format!("{FOLDER}/steps-{first:012}-{last:012}.parquet");
            let bytes = encode(rows).map_err(CoordinatorError::encoding(name.clone()))?;
            let digest = blake3::hash(&bytes).to_hex().to_string();
            run.put(&name, bytes).await?;
            self.written.insert(name, digest);
        }
        Ok(())
    }

    /// The files written since this was asked before, with BLAKE3 over their bytes.
    pub(crate) fn take_written(&mut self) -> BTreeMap<String, String> {
        std::mem::take(&mut self.written)
    }
}

/// A file of the history as it lies on the store.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryFile {
    /// Its name below the run.
    pub name: String,
    /// BLAKE3 over its bytes; empty if they cannot be had.
    pub digest: String,
    /// Its rows; why they cannot be read, in one line.
    pub rows: Result<Vec<HistoryRow>, String>,
}

/// The figures of a run, as far as they can be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptHistory {
    /// The rows, in step order.
    pub rows: Vec<HistoryRow>,
    /// Files that cannot be read, and why, a line each.
    pub damaged: Vec<String>,
}

impl KeptHistory {
    /// What files come to, which are in the order of their names; of a step written twice, the later file counts.
    #[must_use]
    pub fn of(files: impl IntoIterator<Item = HistoryFile>) -> Self {
        let (mut history, mut damaged) = (History::default(), Vec::new());
        for file in files {
            match file.rows {
                Ok(rows) => rows.into_iter().for_each(|row| history.push(row)),
                Err(line) => damaged.push(line),
            }
        }
        Self {
            rows: history.rows,
            damaged,
        }
    }
}

/// Reads all figures of a run, in step order; of a step written twice, the later file counts.
///
/// # Errors
/// The store's, or `Damaged` for a file that is not the Parquet written here.
pub async fn read_history(run: &Location) -> Result<Vec<HistoryRow>, CoordinatorError> {
    let kept = read_kept_history(run).await?;
    match kept.damaged.into_iter().next() {
        None => Ok(kept.rows),
        Some(reason) => Err(CoordinatorError::Damaged {
            run: run.url().to_owned(),
            object: FOLDER.to_owned(),
            reason,
        }),
    }
}

/// Reads all figures of a run that can be read; files of others in its folder are ignored.
///
/// # Errors
/// The store's.
pub async fn read_kept_history(run: &Location) -> Result<KeptHistory, CoordinatorError> {
    Ok(KeptHistory::of(read_history_files(run).await?))
}

/// Reads all files of a run's history, in the order of their names; files of others in its folder are ignored.
///
/// # Errors
/// The store's.
pub async fn read_history_files(run: &Location) -> Result<Vec<HistoryFile>, CoordinatorError> {
    let mut files = run.list(FOLDER).await?;
    files.retain(|file| is_history_file(&file.relative));
    let files = futures::stream::iter(files);
    let files = files.map(|entry| async move { read_file(run, entry.relative).await });
    files.buffered(4).try_collect().await
}

/// Whether an object is a file of figures, by its name.
#[must_use]
pub fn is_history_file(object: &str) -> bool {
    steps_of(object).is_some()
}

async fn read_file(run: &Location, name: String) -> Result<HistoryFile, CoordinatorError> {
    let read = match read_bytes(run, &name).await {
        Ok(bytes) => (
            blake3::hash(&bytes).to_hex().to_string(),
            decoded(run, &name, bytes),
        ),
        Err(error) => (String::new(), Err(error)),
    };
    let (digest, rows) = read;
    let rows = match rows {
        Ok(rows) => Ok(rows),
        Err(CoordinatorError::Damaged { object, reason, .. }) => {
            Err(format!("{} is damaged: {reason}", run.url_of(&object)))
        }
        Err(error) => return Err(error),
    };
    Ok(HistoryFile { name, digest, rows })
}

/// Reads one file of figures, in step order.
///
/// # Errors
/// The store's, or `Damaged`.
pub async fn read_history_file(
    run: &Location,
    object: &str,
) -> Result<Vec<HistoryRow>, CoordinatorError> {
    decoded(run, object, read_bytes(run, object).await?)
}

async fn read_bytes(run: &Location, name: &str) -> Result<Bytes, CoordinatorError> {
    match run.get_at_most(name, LARGEST).await {
        Err(error @ (StoreError::TooLarge { .. } | StoreError::OtherKind { .. })) => {
            Err(damaged(run, name, &error))
        }
        read => Ok(read?),
    }
}

fn decoded(run: &Location, name: &str, bytes: Bytes) -> Result<Vec<HistoryRow>, CoordinatorError> {
    decode(bytes).map_err(|error| damaged(run, name, &error))
}

fn damaged(run: &Location, name: &str, error: &dyn std::fmt::Display) -> CoordinatorError {
    CoordinatorError::Damaged {
        run: run.url().to_owned(),
        object: name.to_owned(),
        reason: error.to_string(),
    }
}

/// The steps after `origin`, at which the run began, up to `last` of which a history, in the order of its steps, has no
/// row.
#[must_use]
pub fn missing_steps(history: &[HistoryRow], origin: u64, last: u64) -> Vec<RangeInclusive<u64>> {
    let mut missing = Vec::new();
    let mut next = origin + 1;
    for step in history.iter().map(|row| row.step).chain([last + 1]) {
        if step > next {
            missing.push(next..=(step - 1).min(last));
        }
        next = next.max(step + 1);
    }
    missing.retain(|steps| !steps.is_empty());
    missing
}

#[cfg(test)]
mod tests;
