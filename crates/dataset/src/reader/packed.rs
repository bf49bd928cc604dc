//! Slices as they came off the store, and their unpacking: each is checked against its checksum before it is shown.

use bytes::Bytes;
use parquet::errors::ParquetError;

use crate::DataSetError;
use crate::manifest::{ManifestCase, shard_name};
use crate::pages::{Column, Fetched, Unpacking};
use crate::shard::slice_checksum;

/// Holds slices as they came off the store: compressed, and not checked yet.
pub(crate) struct Packed {
    pub(super) place: Place,
    pub(super) rows: Vec<u32>,
    pub(super) pet: (Column, Fetched),
    pub(super) ct: (Column, Fetched),
    pub(super) label: Option<(Column, Fetched)>,
    pub(super) checksum: (Column, Fetched),
}

/// Shows one checked slice as little-endian bytes.
pub(crate) struct Slice<'page> {
    pub(crate) pet: &'page [u8],
    pub(crate) ct: &'page [u8],
    label: Option<&'page [u8]>,
}

/// Holds checked slices as little-endian bytes, one after the other.
#[derive(Default)]
pub(crate) struct Unpacked {
    pub(crate) pet: Vec<u8>,
    pub(crate) ct: Vec<u8>,
    pub(crate) label: Option<Vec<u8>>,
}

impl Slice<'_> {
    /// The label, a byte a voxel. Parquet has no 8-bit integers: it is stored as 32 bits, of which the first byte counts.
    pub(crate) fn label(&self) -> Option<impl Iterator<Item = u8>> {
        self.label
            .map(|words| words.as_chunks::<4>().0.iter().map(|word| word[0]))
    }
}

/// Names where slices of a case lie, for messages.
#[derive(Debug, Clone)]
pub(super) struct Place {
    case: String,
    shard: String,
    row_group: u32,
}

impl Place {
    pub(super) fn of(entry: &ManifestCase) -> Self {
        Self {
            case: entry.case_id.clone(),
            shard: shard_name(entry.shard),
            row_group: entry.row_group,
        }
    }

    /// Says that a slice is damaged; `column` is where to look for it.
    fn damaged(&self, slice: u32, column: &Column) -> DataSetError {
        DataSetError::ChecksumMismatch {
            case: self.case.clone(),
            shard: self.shard.clone(),
            row_group: self.row_group,
            slice,
            offset: column.offset(slice),
        }
    }

    /// A page that cannot be unpacked is damage to its slice like any other.
    fn unpackable(&self, slice: u32, column: &Column, error: &ParquetError) -> DataSetError {
        let Self { case, shard, .. } = self;
        tracing::debug!(case, shard, slice, %error, "a page cannot be unpacked");
        self.damaged(slice, column)
    }

    /// Starts to unpack a column, at a slice.
    fn unpacking<'column>(
        &self,
        slice: u32,
        column: &'column Column,
        fetched: Fetched,
    ) -> Result<Unpacking<'column>, DataSetError> {
        column
            .unpacking(fetched)
            .map_err(|error| self.unpackable(slice, column, &error))
    }

    fn unpack_row(&self, slice: u32, pages: &mut Unpacking<'_>) -> Result<Bytes, DataSetError> {
        pages
            .row(slice)
            .map_err(|error| self.unpackable(slice, pages.column, &error))
    }
}

impl Packed {
    /// Decompresses slice after slice, checks each against its checksum and shows it. Takes milliseconds: not for a
    /// runtime's own thread.
    pub(crate) fn each(self, mut show: impl FnMut(Slice<'_>)) -> Result<(), DataSetError> {
        let Self {
            place,
            rows,
            pet: (pet_pages, pet),
            ct: (ct_pages, ct),
            label,
            checksum: (checksum_pages, checksum),
        } = self;
        let stored = checksum_pages
            .unpack(checksum, &rows)
            .map_err(|(slice, error)| place.unpackable(slice, &checksum_pages, &error))?;
        let first = rows.first().copied().unwrap_or_default();
        let mut pet = place.unpacking(first, &pet_pages, pet)?;
        let mut ct = place.unpacking(first, &ct_pages, ct)?;
        let (label_pages, label) = label.unzip();
        let label = label_pages.as_ref().zip(label);
        let mut label = label
            .map(|(pages, label)| place.unpacking(first, pages, label))
            .transpose()?;
        for (&slice, stored) in rows.iter().zip(stored.as_chunks::<16>().0) {
            let pet = place.unpack_row(slice, &mut pet)?;
            let ct = place.unpack_row(slice, &mut ct)?;
            if slice_checksum(&pet, &ct) != *stored {
                return Err(place.damaged(slice, &pet_pages));
            }
            let label = label.as_mut();
            let label = label.map(|pages| place.unpack_row(slice, pages));
            let label = label.transpose()?;
            show(Slice {
                pet: &pet,
                ct: &ct,
                label: label.as_deref(),
            });
        }
        Ok(())
    }

    /// Decompresses and checks the slices and joins them.
    pub(crate) fn unpack(self) -> Result<Unpacked, DataSetError> {
        let mut unpacked = Unpacked::default();
        self.each(|slice| {
            unpacked.pet.extend_from_slice(slice.pet);
            unpacked.ct.extend_from_slice(slice.ct);
            if let Some(label) = slice.label() {
                unpacked.label.get_or_insert_default().extend(label);
            }
        })?;
        Ok(unpacked)
    }
}
