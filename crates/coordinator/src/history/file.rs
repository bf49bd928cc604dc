//! The Parquet of a history's file: a row a step, a column a figure.

use super::HistoryRow;
use arrow_array::types::{ArrowPrimitiveType, UInt32Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, Float64Array, ListArray, PrimitiveArray, RecordBatch, UInt64Array,
};
use bytes::Bytes;
use fratmae_protocol::pb::{Figures, PhaseSeconds, Trained};
use fratmae_telemetry::phases;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use std::sync::Arc;

pub(super) type Column = (&'static str, fn(&Figures) -> f64);

/// Figures that are one number, by the names of their columns.
pub(super) const COLUMNS: [Column; 11] = [
    ("loss", |f| f.loss),
    ("reconstruction", |f| f.reconstruction),
    ("pet_reconstruction", |f| f.pet_reconstruction),
    ("ct_reconstruction", |f| f.ct_reconstruction),
    ("contrastive", |f| f.contrastive),
    ("mean_baseline", |f| f.mean_baseline),
    ("baseline_pet", |f| f.baseline_pet),
    ("baseline_ct", |f| f.baseline_ct),
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

pub(super) fn encode(rows: &[HistoryRow]) -> Result<Bytes, ParquetError> {
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
    let trained = || rows.iter().map(|row| row.figures.trained.as_ref());
    let positions = trained().map(|it| it.map(|it| it.positions.as_slice()));
    let cases = trained().map(|it| it.map(|it| it.cases.as_slice()));
    columns.push(("positions".to_owned(), lists::<UInt64Type>(positions)));
    columns.push(("cases".to_owned(), lists::<UInt32Type>(cases)));
    let batch = RecordBatch::try_from_iter(columns)?;
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(Bytes::from(bytes))
}

fn lists<'a, T: ArrowPrimitiveType>(
    rows: impl Iterator<Item = Option<&'a [T::Native]>>,
) -> ArrayRef {
    let rows = rows.map(|row| row.map(|values| values.iter().copied().map(Some)));
    Arc::new(ListArray::from_iter_primitive::<T, _, _>(rows))
}

pub(super) fn decode(bytes: Bytes) -> Result<Vec<HistoryRow>, ParquetError> {
    let mut rows = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
        let batch = batch?;
        for index in 0..batch.num_rows() {
            rows.push(decode_row(&batch, index)?);
        }
    }
    Ok(rows)
}

fn decode_row(batch: &RecordBatch, index: usize) -> Result<HistoryRow, ParquetError> {
    let number = |name: &str| column::<UInt64Array>(batch, name).map(|column| column.value(index));
    let figure = |name: &str| column::<Float64Array>(batch, name).map(|column| column.value(index));
    // Versions before this one did not write these.
    let later = |name: &str| match batch.column_by_name(name) {
        Some(_) => figure(name),
        None => Ok(f64::NAN),
    };
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
        baseline_pet: later("baseline_pet")?,
        baseline_ct: later("baseline_ct")?,
        gradient_norm: figure("gradient_norm")?,
        learning_rate: figure("learning_rate")?,
        samples: number("samples")?,
        seconds: figure("seconds")?,
        phases: spent,
        trained: trained(batch, index)?,
    };
    Ok(HistoryRow {
        step: number("step")?,
        generation: number("generation")?,
        figures,
    })
}

/// What a step was trained on; none in files of versions that did not record it.
fn trained(batch: &RecordBatch, index: usize) -> Result<Option<Trained>, ParquetError> {
    let list = |name: &str| {
        let lists = column::<ListArray>(batch, name)?;
        Ok::<_, ParquetError>((!lists.is_null(index)).then(|| lists.value(index)))
    };
    if batch.column_by_name("positions").is_none() {
        return Ok(None);
    }
    let (Some(positions), Some(cases)) = (list("positions")?, list("cases")?) else {
        return Ok(None);
    };
    Ok(Some(Trained {
        positions: values::<UInt64Type>(&positions)?,
        cases: values::<UInt32Type>(&cases)?,
    }))
}

fn values<T: ArrowPrimitiveType>(list: &ArrayRef) -> Result<Vec<T::Native>, ParquetError> {
    let values = list.as_any().downcast_ref::<PrimitiveArray<T>>();
    let values = values.ok_or_else(|| other_type("a list"))?;
    Ok(values.values().to_vec())
}

fn column<'a, A: 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a A, ParquetError> {
    batch
        .column_by_name(name)
        .and_then(|column| column.as_any().downcast_ref())
        .ok_or_else(|| other_type(name))
}

fn other_type(name: &str) -> ParquetError {
    ParquetError::General(format!("column {name} is missing or of another type"))
}
