//! Figures of every step as Parquet, one file from commit to commit, for plots and for pandas.
//!
//! A file is written before the manifest that makes its steps part of the run, so that what a manifest
//! covers always has its figures; until then it may be written again.

use crate::error::CoordinatorError;
use arrow_array::{ArrayRef, Float64Array, RecordBatch, UInt64Array};
use bytes::Bytes;
use fratmae_protocol::pb::{Figures, PhaseSeconds};
use fratmae_store::Location;
use fratmae_telemetry::phases;
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::sync::Arc;

const FOLDER: &str = "history";

/// One step's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryRow {
    /// The step.
    pub step: u64,
    /// The generation that applied it.
    pub generation: u64,
    /// Its figures.
    pub figures: Figures,
}

impl HistoryRow {
    /// Its figures by the names of their columns.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        COLUMNS
            .iter()
            .map(|(name, value)| (*name, value(&self.figures)))
    }

    /// Seconds of each phase that took some, by its name.
    pub fn phases(&self) -> impl Iterator<Item = (&str, f64)> + '_ {
        let spent = self.figures.phases.iter();
        spent.map(|spent| (spent.phase.as_str(), spent.seconds))
    }
}

/// Steps applied since the last commit.
#[derive(Default)]
pub(crate) struct History {
    rows: Vec<HistoryRow>,
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
        row.map_or(f64::NAN, |row| row.figures.loss)
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
        let (Some(first), Some(last)) = (due.first(), due.last()) else {
            return Ok(());
        };
        let name = format!(
            "{FOLDER}/steps-{:012}-{:012}.parquet",
            first.step, last.step
        );
        let bytes = encode(&due).map_err(CoordinatorError::encoding(name.clone()))?;
        Ok(run.put(&name, bytes).await?)
    }
}

type Column = (&'static str, fn(&Figures) -> f64);

const COLUMNS: [Column; 9] = [
    ("loss", |f| f.loss),
    ("reconstruction", |f| f.reconstruction),
    ("pet_reconstruction", |f| f.pet_reconstruction),
    ("ct_reconstruction", |f| f.ct_reconstruction),
    ("contrastive", |f| f.contrastive),
    ("mean_baseline", |f| f.mean_baseline),
    ("gradient_norm", |f| f.gradient_norm),
    ("learning_rate", |f| f.learning_rate),
    ("seconds", |f| f.seconds),
];

fn phase_seconds(figures: &Figures, phase: &str) -> f64 {
    figures
        .phases
        .iter()
        .filter(|entry| entry.phase == phase)
        .map(|entry| entry.seconds)
        .sum()
}

fn encode(rows: &[HistoryRow]) -> Result<Bytes, parquet::errors::ParquetError> {
    let numbers = |value: fn(&HistoryRow) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(value)))
    };
    let figures = |value: &dyn Fn(&Figures) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(
            rows.iter().map(|row| value(&row.figures)),
        ))
    };
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("step".to_owned(), numbers(|row| row.step)),
        ("generation".to_owned(), numbers(|row| row.generation)),
        ("samples".to_owned(), numbers(|row| row.figures.samples)),
    ];
    columns.extend(
        COLUMNS
            .iter()
            .map(|(name, value)| ((*name).to_owned(), figures(value))),
    );
    columns.extend(phases::ALL.iter().map(|phase| {
        (
            format!("seconds_{phase}"),
            figures(&|f| phase_seconds(f, phase)),
        )
    }));
    let batch = RecordBatch::try_from_iter(columns)?;
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(Bytes::from(bytes))
}

/// Reads all figures of a run, in step order; of a step written twice, the later file counts.
///
/// # Errors
/// The store's, or `Damaged` for a file that is not the Parquet written here.
pub async fn read_history(run: &Location) -> Result<Vec<HistoryRow>, CoordinatorError> {
    let files = run.list(FOLDER).await?;
    let texts: Vec<(String, Bytes)> = futures::stream::iter(files)
        .map(|entry| async move {
            Ok::<_, CoordinatorError>((entry.relative.clone(), run.get(&entry.relative).await?))
        })
        .buffered(8)
        .try_collect()
        .await?;
    let mut history = History::default();
    for (object, bytes) in texts {
        let rows = decode(bytes).map_err(|error| CoordinatorError::Damaged {
            run: run.url().to_owned(),
            object,
            reason: error.to_string(),
        })?;
        rows.into_iter().for_each(|row| history.push(row));
    }
    Ok(history.rows)
}

fn decode(bytes: Bytes) -> Result<Vec<HistoryRow>, parquet::errors::ParquetError> {
    let mut rows = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
        let batch = batch?;
        for index in 0..batch.num_rows() {
            rows.push(decode_row(&batch, index)?);
        }
    }
    Ok(rows)
}

fn decode_row(
    batch: &RecordBatch,
    index: usize,
) -> Result<HistoryRow, parquet::errors::ParquetError> {
    let number = |name: &str| column::<UInt64Array>(batch, name).map(|column| column.value(index));
    let figure = |name: &str| column::<Float64Array>(batch, name).map(|column| column.value(index));
    let mut spent = Vec::new();
    for phase in phases::ALL {
        spent.push(PhaseSeconds {
            seconds: figure(&format!("seconds_{phase}"))?,
            phase: phase.to_owned(),
        });
    }
    spent.retain(|phase| phase.seconds > 0.0);
    let figures = Figures {
        loss: figure("loss")?,
        reconstruction: figure("reconstruction")?,
        pet_reconstruction: figure("pet_reconstruction")?,
        ct_reconstruction: figure("ct_reconstruction")?,
        contrastive: figure("contrastive")?,
        mean_baseline: figure("mean_baseline")?,
        gradient_norm: figure("gradient_norm")?,
        learning_rate: figure("learning_rate")?,
        samples: number("samples")?,
        seconds: figure("seconds")?,
        phases: spent,
    };
    Ok(HistoryRow {
        step: number("step")?,
        generation: number("generation")?,
        figures,
    })
}

fn column<'a, A: 'static>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a A, parquet::errors::ParquetError> {
    batch
        .column_by_name(name)
        .and_then(|column| column.as_any().downcast_ref())
        .ok_or_else(|| {
            parquet::errors::ParquetError::General(format!(
                "column {name} is missing or of another type"
            ))
        })
}

#[cfg(test)]
mod tests;
