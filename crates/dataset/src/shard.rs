//! Owns the Parquet layout of a shard and the writing of one: a row group a case, a row a coronal slice.
//!
//! A page of voxels holds one slice, so that a reader fetches single slices. Encoding a case is separate from
//! appending it, so that cases are encoded in parallel and lie in the file in their order. Reading is `pages`' work.

mod columns;

use std::io::{self, Write};
use std::mem::take;
use std::sync::Arc;

use arrow_array::Float16Array;
use arrow_schema::SchemaRef;
use half::f16;
use half::slice::HalfFloatSliceExt;
use object_store::{PutPayload, PutPayloadMut};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;
use twox_hash::XxHash3_64;

use crate::DataSetError;
use crate::manifest::{CaseDigest, ManifestCase, ValueRange, shard_name};
use crate::metadata::Metadata;
use crate::note::Note;
use columns::{properties, record_batch, schema};

pub(crate) use columns::{CHECKSUM_COLUMN, LABEL_COLUMN};

/// Rows handed to the writer at once: on its way a voxel takes twenty times its size, so that a whole case would cost
/// hundreds of megabytes, and the time to clear them.
const ROWS_AT_ONCE: usize = 2;

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

#[cfg(test)]
pub(crate) mod tests;
