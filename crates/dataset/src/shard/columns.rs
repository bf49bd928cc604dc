//! The columns of a shard: their types, how each is compressed, and a case as a batch of rows.

use std::sync::Arc;

use arrow_array::types::{Float16Type, Float32Type, Float64Type, UInt8Type};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, FixedSizeBinaryArray, FixedSizeListArray, Float16Array,
    Float32Array, PrimitiveArray, RecordBatch, StringArray, UInt32Array,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::PreparedCase;

/// Name of the values inside a fixed-size list.
const ELEMENT: &str = "element";
/// How hard PET and CT are compressed: to read them often must be cheap. Measured in
/// `docs/decisions/0005-voxels-are-plain-zstd-50.md`.
const IMAGE_LEVEL: i32 = -50;
/// The columns that hold one value a voxel.
pub(super) const VOXEL_COLUMNS: [&str; 3] = ["pet", "ct", LABEL_COLUMN];
pub(crate) const LABEL_COLUMN: &str = "label";
/// The column that a slice is checked by when it is read.
pub(crate) const CHECKSUM_COLUMN: &str = "checksum";

fn list(element: DataType, length: usize) -> Result<DataType, ParquetError> {
    Ok(DataType::FixedSizeList(
        Arc::new(Field::new(ELEMENT, element, false)),
        i32::try_from(length)?,
    ))
}

pub(super) fn schema(grid: [usize; 3], labels: bool) -> Result<SchemaRef, ParquetError> {
    let plane = grid[0] * grid[2];
    let mut fields = vec![
        Field::new("case_id", DataType::Utf8, false),
        Field::new("slice", DataType::UInt32, false),
        Field::new("pet", list(DataType::Float16, plane)?, false),
        Field::new("ct", list(DataType::Float16, plane)?, false),
    ];
    if labels {
        fields.push(Field::new("label", list(DataType::UInt8, plane)?, true));
    }
    fields.extend([
        Field::new(CHECKSUM_COLUMN, DataType::FixedSizeBinary(16), false),
        Field::new("tracer", DataType::Utf8, true),
        Field::new("age", DataType::Float32, true),
        Field::new("sex", DataType::Utf8, true),
        Field::new("diagnosis", DataType::Utf8, true),
        Field::new("stage", DataType::Utf8, true),
        Field::new("spacing", list(DataType::Float32, 3)?, false),
        Field::new("origin", list(DataType::Float64, 3)?, false),
        Field::new("affine", list(DataType::Float64, 12)?, false),
    ]);
    Ok(Arc::new(Schema::new(fields)))
}

pub(super) fn properties() -> Result<WriterProperties, ParquetError> {
    // A write batch is cut at the next row, so that one of 1 value is a whole slice in a voxel column.
    let mut properties = WriterProperties::builder()
        .set_created_by("fratmae".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_write_batch_size(1)
        // Random bytes, read with every slice.
        .set_column_compression(ColumnPath::from(CHECKSUM_COLUMN), Compression::UNCOMPRESSED);
    let images = Compression::ZSTD(ZstdLevel::try_new(IMAGE_LEVEL)?);
    for column in VOXEL_COLUMNS {
        let path = ColumnPath::from(vec![
            column.to_owned(),
            "list".to_owned(),
            ELEMENT.to_owned(),
        ]);
        properties = properties
            .set_column_data_page_row_count_limit(path.clone(), 1)
            .set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
        if column != LABEL_COLUMN {
            properties = properties.set_column_compression(path, images);
        }
    }
    Ok(properties.build())
}

/// Wraps values into a column of fixed-size lists.
fn lists<T: ArrowPrimitiveType>(
    values: impl Into<PrimitiveArray<T>>,
    length: usize,
) -> Result<ArrayRef, ArrowError> {
    let field = Arc::new(Field::new(ELEMENT, T::DATA_TYPE, false));
    let length = i32::try_from(length)
        .map_err(|error| ArrowError::InvalidArgumentError(error.to_string()))?;
    let values = Arc::new(values.into());
    Ok(Arc::new(FixedSizeListArray::try_new(
        field, length, values, None,
    )?))
}

fn label_column(label: Option<Vec<u8>>, plane: usize, rows: usize) -> Result<ArrayRef, ArrowError> {
    let Some(label) = label else {
        let field = Arc::new(Field::new(ELEMENT, DataType::UInt8, false));
        let length = i32::try_from(plane)
            .map_err(|error| ArrowError::InvalidArgumentError(error.to_string()))?;
        return Ok(Arc::new(FixedSizeListArray::new_null(field, length, rows)));
    };
    lists::<UInt8Type>(label, plane)
}

pub(super) fn record_batch(
    schema: &SchemaRef,
    labels: bool,
    case: PreparedCase,
    [pet, ct]: [Float16Array; 2],
    checksums: &[[u8; 16]],
) -> Result<RecordBatch, ArrowError> {
    let [side_r, rows, side_s] = case.grid;
    let plane = side_r * side_s;
    let text = |value: Option<&str>| -> ArrayRef {
        Arc::new((0..rows).map(|_| value).collect::<StringArray>())
    };
    let metadata = &case.metadata;
    let origin: Vec<f64> = case.affine.iter().map(|row| row[3]).collect();
    let affine: Vec<f64> = case.affine.iter().flatten().copied().collect();
    let mut columns: Vec<ArrayRef> = vec![
        text(Some(&case.case_id)),
        Arc::new(UInt32Array::from_iter_values(0..rows as u32)),
    ];
    let spacing = lists::<Float32Type>(case.spacing.repeat(rows), 3)?;
    columns.push(lists::<Float16Type>(pet, plane)?);
    columns.push(lists::<Float16Type>(ct, plane)?);
    if labels {
        columns.push(label_column(case.label, plane, rows)?);
    }
    columns.extend([
        Arc::new(FixedSizeBinaryArray::try_from_iter(checksums.iter())?) as ArrayRef,
        text(metadata.tracer.as_deref()),
        Arc::new((0..rows).map(|_| metadata.age).collect::<Float32Array>()),
        text(metadata.sex.as_deref()),
        text(metadata.diagnosis.as_deref()),
        text(metadata.stage.as_deref()),
        spacing,
        lists::<Float64Type>(origin.repeat(rows), 3)?,
        lists::<Float64Type>(affine.repeat(rows), 12)?,
    ]);
    RecordBatch::try_new(Arc::clone(schema), columns)
}
