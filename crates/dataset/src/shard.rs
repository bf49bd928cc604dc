//! Owns the Parquet layout of a shard and the writing of one: a row group a case, a row a coronal slice.
//!
//! A page of voxels holds one slice, so that a reader fetches single slices. Encoding a case is separate from
//! appending it, so that cases are encoded in parallel and lie in the file in their order. Reading is `pages`' work.

use std::io::{self, Write};
use std::mem::take;
use std::sync::Arc;

use arrow_array::types::{Float16Type, Float32Type, Float64Type, UInt8Type};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, FixedSizeBinaryArray, FixedSizeListArray, Float16Array,
    Float32Array, PrimitiveArray, RecordBatch, StringArray, UInt32Array,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use half::f16;
use half::slice::HalfFloatSliceExt;
use object_store::{PutPayload, PutPayloadMut};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use twox_hash::XxHash3_64;

use crate::DataSetError;
use crate::manifest::{CaseDigest, ManifestCase, ValueRange, shard_name};
use crate::metadata::Metadata;
use crate::note::Note;

/// Name of the values inside a fixed-size list.
const ELEMENT: &str = "element";
/// How hard PET and CT are compressed: to read them often must be cheap. Measured in
/// `docs/decisions/0005-voxels-are-plain-zstd-50.md`.
const IMAGE_LEVEL: i32 = -50;
/// Rows handed to the writer at once: on its way a voxel takes twenty times its size, so that a whole case would cost
/// hundreds of megabytes, and the time to clear them.
const ROWS_AT_ONCE: usize = 2;
/// The columns that hold one value a voxel.
pub(crate) const VOXEL_COLUMNS: [&str; 3] = ["pet", "ct", LABEL_COLUMN];
const LABEL_COLUMN: &str = "label";
/// The column that a slice is checked by when it is read.
pub(crate) const CHECKSUM_COLUMN: &str = "checksum";

/// One study on the grid of the data set.
///
/// # Shapes
/// `pet`, `ct` and `label` are row-major in the order (A, R, S): a coronal slice is contiguous, S is fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct PreparedCase {
    /// Name of the case, unique in the data set.
    pub case_id: String,
    /// What is known of the patient.
    pub metadata: Metadata,
    /// The part of a cross-validation that the case is tested in, where the source says so.
    pub fold: Option<u32>,
    /// Voxels along R, A, S.
    pub grid: [usize; 3],
    /// SUV, clamped to 0..60000.
    pub pet: Vec<f16>,
    /// Hounsfield units, clamped to -1024..3071 (whole ones are exact up to 2048, even ones above).
    pub ct: Vec<f16>,
    /// Labels, where the case has them.
    pub label: Option<Vec<u8>>,
    /// Grid indices (R, A, S) to RAS+ millimetres.
    pub affine: [[f64; 4]; 3],
    /// Millimetres a voxel of the grid, along R, A and S.
    pub spacing: [f32; 3],
    /// Voxel size of the PET along its canonical axes (R, A, S), in millimetres.
    pub source_spacing: [f32; 3],
    /// Voxels of the PET along its canonical axes.
    pub source_shape: [usize; 3],
    /// Directions of the PET's stored axes, such as `LAS`.
    pub source_axes: String,
    /// First and last coronal slice (A index) that shows the body.
    pub body: [u32; 2],
    /// What is unlikely about it.
    pub notes: Vec<Note>,
}

/// Gathers bytes in blocks, as one buffer that grows is copied each time, and holds twice the shard meanwhile.
struct Blocks(PutPayloadMut);

impl Blocks {
    const SIZE: usize = 1 << 20;

    fn new() -> Self {
        Self(PutPayloadMut::new().with_block_size(Self::SIZE))
    }
}

impl Write for Blocks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Encodes cases and gathers them into the bytes of one shard.
#[derive(Debug)]
pub struct ShardWriter {
    file: SerializedFileWriter<Blocks>,
    encoder: CaseEncoder,
    row_groups: u32,
}

/// Turns cases into row groups; shared by the threads that encode one shard.
#[derive(Debug)]
pub struct CaseEncoder {
    shard: u32,
    schema: SchemaRef,
    factory: ArrowRowGroupWriterFactory,
    labels: bool,
}

/// Holds one compressed case that has no place in a shard yet.
#[derive(Debug)]
pub struct EncodedCase {
    columns: Vec<ArrowColumnChunk>,
    entry: ManifestCase,
}

impl EncodedCase {
    /// Gives what is unlikely about the case.
    pub fn notes(&self) -> &[Note] {
        &self.entry.notes
    }
}

impl ShardWriter {
    /// Starts shard number `shard`; `labels` says whether the data set has a label column.
    ///
    /// # Errors
    /// [`DataSetError::Parquet`], as all that goes wrong with the encoding of a shard.
    pub fn new(shard: u32, grid: [usize; 3], labels: bool) -> Result<Self, DataSetError> {
        Self::start(shard, grid, labels).map_err(|source| broken(shard, source))
    }

    fn start(shard: u32, grid: [usize; 3], labels: bool) -> Result<Self, ParquetError> {
        let schema = schema(grid, labels)?;
        let writer = ArrowWriter::try_new(Blocks::new(), Arc::clone(&schema), Some(properties()?))?;
        let (file, factory) = writer.into_serialized_writer()?;
        Ok(Self {
            file,
            encoder: CaseEncoder {
                shard,
                schema,
                factory,
                labels,
            },
            row_groups: 0,
        })
    }

    /// Returns the encoder of this shard's cases.
    pub fn encoder(&self) -> &CaseEncoder {
        &self.encoder
    }

    /// Appends a case and returns its manifest entry.
    ///
    /// # Errors
    /// As [`ShardWriter::new`].
    pub fn append(&mut self, case: EncodedCase) -> Result<ManifestCase, DataSetError> {
        let shard = self.encoder.shard;
        self.append_columns(case.columns)
            .map_err(|source| broken(shard, source))?;
        let entry = ManifestCase {
            shard,
            row_group: self.row_groups,
            ..case.entry
        };
        self.row_groups += 1;
        Ok(entry)
    }

    fn append_columns(&mut self, columns: Vec<ArrowColumnChunk>) -> Result<(), ParquetError> {
        let mut row_group = self.file.next_row_group()?;
        for column in columns {
            column.append_to_row_group(&mut row_group)?;
        }
        row_group.close()?;
        Ok(())
    }

    /// Ends the shard and returns its bytes; none if it holds no case.
    ///
    /// # Errors
    /// As [`ShardWriter::new`].
    pub fn finish(self) -> Result<Option<PutPayload>, DataSetError> {
        let written = self.file.into_inner();
        let Blocks(bytes) = written.map_err(|source| broken(self.encoder.shard, source))?;
        Ok((self.row_groups > 0).then(|| bytes.freeze()))
    }
}

impl CaseEncoder {
    /// Compresses one case.
    ///
    /// # Errors
    /// As [`ShardWriter::new`].
    pub fn encode(&self, case: PreparedCase) -> Result<EncodedCase, DataSetError> {
        let encoded = self.encode_columns(case);
        encoded.map_err(|source| broken(self.shard, source))
    }

    fn encode_columns(&self, mut case: PreparedCase) -> Result<EncodedCase, ParquetError> {
        let images = [&mut case.pet, &mut case.ct].map(|voxels| Float16Array::from(take(voxels)));
        let (digests, checksums) = sum_up(&images, case.grid[0] * case.grid[2]);
        let entry = manifest_entry(&case, &images, &digests);
        let batch = record_batch(&self.schema, self.labels, case, images, &checksums)?;
        let mut writers = self.factory.create_column_writers(0)?.into_iter();
        let mut columns = Vec::new();
        for (field, array) in self.schema.fields().iter().zip(batch.columns()) {
            let mut writer = writers
                .next()
                .ok_or_else(|| ParquetError::General("too few column writers".to_owned()))?;
            for first in (0..array.len()).step_by(ROWS_AT_ONCE) {
                let rows = array.slice(first, ROWS_AT_ONCE.min(array.len() - first));
                for leaf in compute_leaves(field, &rows)? {
                    writer.write(&leaf)?;
                }
            }
            columns.push(writer.close()?);
        }
        Ok(EncodedCase { columns, entry })
    }
}

/// Names the shard that could not be written.
fn broken(shard: u32, source: ParquetError) -> DataSetError {
    DataSetError::Parquet {
        action: "write",
        shard: shard_name(shard),
        source,
    }
}

/// Sums up the voxels of one slice for its reader: XXH3-64 of PET, then of CT, as little-endian bytes.
///
/// It finds damage at a third of a digest's price, and it is not proof against intent: that is the case's digest.
pub(crate) fn slice_checksum(pet: &[u8], ct: &[u8]) -> [u8; 16] {
    let [pet, ct] = [pet, ct].map(XxHash3_64::oneshot);
    (u128::from(ct) << 64 | u128::from(pet)).to_le_bytes()
}

/// Hashes the voxels of one slice, PET then CT, as little-endian bytes.
pub(crate) fn slice_digest(pet: &[u8], ct: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new()
        .update(pet)
        .update(ct)
        .finalize()
        .as_bytes()
}

/// The digests and the checksums of a case's slices, each of `plane` voxels.
fn sum_up(images: &[Float16Array; 2], plane: usize) -> (Vec<[u8; 32]>, Vec<[u8; 16]>) {
    let [pet, ct] = images.each_ref().map(|image| {
        let bytes: &[u8] = image.values().inner();
        bytes.chunks_exact(plane * size_of::<f16>())
    });
    pet.zip(ct)
        .map(|(pet, ct)| (slice_digest(pet, ct), slice_checksum(pet, ct)))
        .unzip()
}

fn manifest_entry(
    case: &PreparedCase,
    [pet, ct]: &[Float16Array; 2],
    slices: &[[u8; 32]],
) -> ManifestCase {
    let mut digest = CaseDigest::new(
        &case.case_id,
        case.grid,
        &case.metadata,
        &case.affine,
        case.body,
    );
    for slice in slices {
        digest.slice(slice);
    }
    digest.label(case.label.as_deref());
    ManifestCase {
        case_id: case.case_id.clone(),
        shard: 0,
        row_group: 0,
        digest: digest.finish(),
        body: case.body,
        label: case.label.is_some(),
        metadata: case.metadata.clone(),
        fold: case.fold,
        affine: case.affine,
        spacing: case.spacing,
        source_spacing: case.source_spacing,
        source_shape: case.source_shape,
        source_axes: case.source_axes.clone(),
        pet: value_range(pet.values()),
        ct: value_range(ct.values()),
        notes: case.notes.clone(),
    }
}

fn value_range(voxels: &[f16]) -> ValueRange {
    let (mut min, mut max, mut sum) = (f32::INFINITY, f32::NEG_INFINITY, 0.0);
    // Widened many at a time, for which there are vector instructions.
    let mut wide = [0.0; 1024];
    for block in voxels.chunks(wide.len()) {
        let wide = &mut wide[..block.len()];
        block.convert_to_f32_slice(wide);
        min = wide.iter().copied().fold(min, f32::min);
        max = wide.iter().copied().fold(max, f32::max);
        sum += wide.iter().copied().map(f64::from).sum::<f64>();
    }
    ValueRange {
        min,
        max,
        mean: (sum / voxels.len().max(1) as f64) as f32,
    }
}

fn list(element: DataType, length: usize) -> Result<DataType, ParquetError> {
    Ok(DataType::FixedSizeList(
        Arc::new(Field::new(ELEMENT, element, false)),
        i32::try_from(length)?,
    ))
}

fn schema(grid: [usize; 3], labels: bool) -> Result<SchemaRef, ParquetError> {
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

fn properties() -> Result<WriterProperties, ParquetError> {
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

fn record_batch(
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

#[cfg(test)]
pub(crate) mod tests;
