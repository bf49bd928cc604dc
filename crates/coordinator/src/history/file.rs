//! The Parquet of a history's file: a row a step, a column a figure. A metric has the column of its name.

use super::HistoryRow;
use arrow_array::types::{ArrowPrimitiveType, UInt32Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, Float64Array, ListArray, PrimitiveArray, RecordBatch,
    TimestampMillisecondArray, UInt64Array,
};
use bytes::Bytes;
use fratmae_control::Phase;
use fratmae_protocol::pb::Trained;
use fratmae_telemetry::Metrics;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use std::sync::Arc;

/// What the columns of phases begin with; every other column of floats is a metric, but for these.
const SECONDS_OF: &str = "seconds_";
const NO_METRICS: [&str; 2] = ["seconds", SAMPLES_PER_SECOND];
const SAMPLES_PER_SECOND: &str = "samples_per_second";

pub(super) fn encode(rows: &[HistoryRow]) -> Result<Bytes, ParquetError> {
    let numbers = |value: fn(&HistoryRow) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(value)))
    };
    let floats = |value: &dyn Fn(&HistoryRow) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(rows.iter().map(value)))
    };
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("step".to_owned(), numbers(|row| row.step)),
        ("generation".to_owned(), numbers(|row| row.generation)),
        ("samples".to_owned(), numbers(|row| row.samples)),
    ];
    columns.extend(
        Metrics::names(rows.iter().map(|row| &row.metrics))
            .into_iter()
            .map(|name| (name.to_owned(), floats(&|row| row.metrics.get(name)))),
    );
    columns.push(("seconds".to_owned(), floats(&|row| row.seconds)));
    columns.push((SAMPLES_PER_SECOND.to_owned(), speeds(rows)));
    columns.push(("time".to_owned(), times(rows)));
    columns.extend(Phase::of_a_step().map(|phase| {
        let phase = phase.name();
        let seconds = |row: &HistoryRow| row.phases.get(phase).copied().unwrap_or_default();
        (format!("{SECONDS_OF}{phase}"), floats(&seconds))
    }));
    let trained = || rows.iter().map(|row| row.trained.as_ref());
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

/// Samples a second in each step, as far as it is known what it was trained on.
fn speeds(rows: &[HistoryRow]) -> ArrayRef {
    let speed = |row: &HistoryRow| {
        let trained = row.trained.as_ref()?;
        row.samples_per_second(trained.positions.len())
    };
    Arc::new(rows.iter().map(speed).collect::<Float64Array>())
}

/// When each step ended.
fn times(rows: &[HistoryRow]) -> ArrayRef {
    let time = |row: &HistoryRow| row.unix_ms.and_then(|unix_ms| i64::try_from(unix_ms).ok());
    let times: TimestampMillisecondArray = rows.iter().map(time).collect();
    Arc::new(times.with_timezone("UTC"))
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
    let mut row = HistoryRow {
        step: number("step")?,
        generation: number("generation")?,
        samples: number("samples")?,
        seconds: column::<Float64Array>(batch, "seconds")?.value(index),
        unix_ms: unix_ms(batch, index)?,
        trained: trained(batch, index)?,
        ..HistoryRow::default()
    };
    let mut metrics = Vec::new();
    let schema = batch.schema();
    for (field, values) in schema.fields().iter().zip(batch.columns()) {
        let Some(values) = values.as_any().downcast_ref::<Float64Array>() else {
            continue;
        };
        let (name, value) = (field.name().as_str(), values.value(index));
        match name.strip_prefix(SECONDS_OF) {
            Some(phase) if value > 0.0 => drop(row.phases.insert(phase.to_owned(), value)),
            Some(_) => {}
            None if NO_METRICS.contains(&name) => {}
            None => metrics.push((name, value)),
        }
    }
    row.metrics = metrics.into_iter().collect();
    Ok(row)
}

/// When a step ended; none in files of versions that did not record it.
fn unix_ms(batch: &RecordBatch, index: usize) -> Result<Option<u64>, ParquetError> {
    if batch.column_by_name("time").is_none() {
        return Ok(None);
    }
    let times = column::<TimestampMillisecondArray>(batch, "time")?;
    let time = times.is_valid(index).then(|| times.value(index));
    Ok(time.and_then(|time| u64::try_from(time).ok()))
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
