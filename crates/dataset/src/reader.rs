//! Owns the open data set: its manifest, the footers of its shards, and ranged reads of single slices.
//!
//! A footer is read once and kept. Ranges come from the store, or from the cache where there is one. Every slice that
//! leaves here was checked against its checksum. Which slices make a stack, and how their values are windowed, is
//! decided elsewhere.

mod footer;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use fratmae_store::Location;
use half::f16;
use parquet::errors::ParquetError;
use tokio::sync::OnceCell;

use crate::DataSetError;
use crate::cache::{Cache, Shard};
use crate::manifest::{LARGEST_TEXT, MANIFEST_NAME, Manifest, ManifestCase, shard_name};
use crate::pages::{Column, Expected, Fetched, Unpacking};
use crate::shard::{CHECKSUM_COLUMN, LABEL_COLUMN, slice_checksum};
use footer::Footer;

/// An open data set; opening reads the manifest only.
#[derive(Debug)]
pub struct DataSet {
    pub location: Location,
    pub manifest: Manifest,
    /// BLAKE3 of the manifest's bytes without their seal, in hex: it covers all that is said of each case and where it is.
    pub manifest_digest: String,
    /// Whether the manifest has a seal, without which a change to it before this is found by a full check alone.
    pub is_sealed: bool,
    footers: BTreeMap<u32, OnceCell<Footer>>,
    cache: Option<Arc<Cache>>,
}

/// Says where bytes may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The cache, and the store for what is not there.
    Nearest,
    /// The store alone, whatever the cache holds.
    Store,
}

/// Holds slices of one case as they were prepared, each (R, S) row-major, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Slices {
    pub pet: Vec<f16>,
    pub ct: Vec<f16>,
    /// None for a case without a label.
    pub label: Option<Vec<u8>>,
}

/// Holds slices as they came off the store: compressed, and not checked yet.
pub(crate) struct Packed {
    place: Place,
    rows: Vec<u32>,
    pet: (Column, Fetched),
    ct: (Column, Fetched),
    label: Option<(Column, Fetched)>,
    checksum: (Column, Fetched),
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

impl DataSet {
    /// Opens the data set prepared at a location.
    ///
    /// # Errors
    /// [`DataSetError::Manifest`] where there is none or a damaged one, [`DataSetError::Empty`],
    /// [`DataSetError::LayoutVersion`], and [`DataSetError::Store`] where the store fails.
    pub async fn open(location: &Location) -> Result<Self, DataSetError> {
        let found = Self::open_if_present(location).await?;
        found.ok_or_else(|| DataSetError::Manifest {
            url: location.url().to_owned(),
            reason: format!(
                "{MANIFEST_NAME} is missing; check the address, or run `fratmae prepare` to its end"
            ),
        })
    }

    /// Opens the data set prepared at a location; none where there is no manifest.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_if_present(location: &Location) -> Result<Option<Self>, DataSetError> {
        let Some(bytes) = location.find_at_most(MANIFEST_NAME, LARGEST_TEXT).await? else {
            return Ok(None);
        };
        let manifest = Manifest::parse(&bytes, location.url())?;
        let (manifest_digest, is_sealed) = Manifest::digest_of(&bytes);
        let footers = manifest
            .cases
            .iter()
            .map(|case| (case.shard, OnceCell::new()))
            .collect();
        Ok(Some(Self {
            location: location.clone(),
            manifest,
            manifest_digest,
            is_sealed,
            footers,
            cache: None,
        }))
    }

    /// Keeps what is read in a cache from now on, unless the data set lies on this machine anyway.
    #[must_use]
    pub fn with_cache(mut self, cache: Option<Cache>) -> Self {
        self.cache = cache.filter(|_| !self.location.is_local()).map(Arc::new);
        self
    }

    /// Says whether what is read is kept in a cache.
    pub fn is_cached(&self) -> bool {
        self.cache.is_some()
    }

    /// Reads slices of one case, with their label if it has one; only their pages are fetched.
    ///
    /// # Errors
    /// [`DataSetError::ChecksumMismatch`] for a damaged slice, [`DataSetError::Parquet`] for a damaged shard or slices
    /// that do not ascend within the grid, [`DataSetError::Store`] where the store fails.
    pub async fn read_slices(&self, case: u32, rows: &[u32]) -> Result<Slices, DataSetError> {
        let packed = self.fetch(case, rows, true, Origin::Nearest).await?;
        unblocked(move || {
            let unpacked = packed.unpack()?;
            Ok(Slices {
                pet: voxels(&unpacked.pet),
                ct: voxels(&unpacked.ct),
                label: unpacked.label,
            })
        })
        .await
    }

    /// Fetches slices of one case, `with_label` if it has one, and leaves the work on them to the caller.
    pub(crate) async fn fetch(
        &self,
        case: u32,
        rows: &[u32],
        with_label: bool,
        origin: Origin,
    ) -> Result<Packed, DataSetError> {
        let entry = self.entry(case)?;
        let [side_r, _, side_s] = self.manifest.grid;
        let plane = side_r * side_s;
        let images @ [pet, ct, checksum] = [
            ("pet", plane, 2),
            ("ct", plane, 2),
            (CHECKSUM_COLUMN, 1, 16),
        ];
        let ([pet, ct, checksum], label) = if with_label && entry.label {
            let wanted = [pet, ct, checksum, (LABEL_COLUMN, plane, 4)];
            let [pet, ct, checksum, label] =
                self.fetch_columns(entry, rows, wanted, origin).await?;
            ([pet, ct, checksum], Some(label))
        } else {
            (self.fetch_columns(entry, rows, images, origin).await?, None)
        };
        Ok(Packed {
            place: Place::of(entry),
            rows: rows.to_vec(),
            pet,
            ct,
            label,
            checksum,
        })
    }

    fn entry(&self, case: u32) -> Result<&ManifestCase, DataSetError> {
        self.manifest
            .cases
            .get(case as usize)
            .ok_or_else(|| DataSetError::Manifest {
                url: self.location.url().to_owned(),
                reason: format!(
                    "case {case} was asked for, and it lists {} cases",
                    self.manifest.cases.len()
                ),
            })
    }

    /// Fetches the rows of columns, given as (name, values a row, bytes a value).
    ///
    /// All are asked for at once, so that columns that lie side by side are one request.
    async fn fetch_columns<const N: usize>(
        &self,
        entry: &ManifestCase,
        rows: &[u32],
        wanted: [(&str, usize, usize); N],
        origin: Origin,
    ) -> Result<[(Column, Fetched); N], DataSetError> {
        let shard = shard_name(entry.shard);
        let footer = self.footer(entry.shard).await?;
        let broken = |source| DataSetError::Parquet {
            action: "use",
            shard: shard.clone(),
            source,
        };
        let mut columns = Vec::with_capacity(N);
        let mut ranges = Vec::new();
        for (name, per_row, value_bytes) in wanted {
            let expected = Expected {
                name,
                rows: self.manifest.grid[1],
                per_row,
                value_bytes,
            };
            let column = Column::find(&footer.metadata, entry.row_group as usize, expected)
                .map_err(broken)?;
            let first = ranges.len();
            ranges.extend(column.ranges(rows).map_err(broken)?);
            columns.push((column, first..ranges.len()));
        }
        let bytes = self.get_ranges(footer.shard, &ranges, origin).await?;
        let missing = || broken(ParquetError::General("a range came without bytes".into()));
        let fetched = columns.into_iter().map(|(column, part)| {
            let bytes = bytes.get(part.clone())?;
            Some((column, Fetched::new(&ranges[part], bytes.iter().cloned())))
        });
        let fetched: Option<Vec<_>> = fetched.collect();
        fetched
            .and_then(|fetched| fetched.try_into().ok())
            .ok_or_else(missing)
    }

    /// Reads ranges of a shard from where they may come from.
    async fn get_ranges(
        &self,
        shard: Shard,
        ranges: &[Range<u64>],
        origin: Origin,
    ) -> Result<Vec<Bytes>, DataSetError> {
        if let Some(cache) = &self.cache {
            let afresh = origin == Origin::Store;
            return cache
                .get_ranges(&self.location, shard, ranges, afresh)
                .await;
        }
        let name = shard_name(shard.number);
        Ok(self.location.get_ranges(&name, ranges).await?)
    }

    /// Returns the footer of a shard with its offset index, reading it the first time.
    async fn footer(&self, shard: u32) -> Result<Footer, DataSetError> {
        match self.footers.get(&shard) {
            Some(cell) => cell
                .get_or_try_init(|| Footer::load(&self.location, shard))
                .await
                .cloned(),
            None => Footer::load(&self.location, shard).await,
        }
    }
}

/// Names where slices of a case lie, for messages.
#[derive(Debug, Clone)]
struct Place {
    case: String,
    shard: String,
    row_group: u32,
}

impl Place {
    fn of(entry: &ManifestCase) -> Self {
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

/// Reads little-endian bytes as voxels.
pub(crate) fn voxels(bytes: &[u8]) -> Vec<f16> {
    bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|&bytes| f16::from_le_bytes(bytes))
        .collect()
}

/// Runs work that would block a runtime thread on one that may block; a panic in it goes on here.
pub(crate) async fn unblocked<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DataSetError> + Send + 'static,
) -> Result<T, DataSetError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failure) => Err(task_failure(failure)),
    }
}

/// Says that a background task ended without a result; a panic in it goes on here.
pub fn task_failure(failure: tokio::task::JoinError) -> DataSetError {
    match failure.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(failure) => DataSetError::Io {
            action: "finish",
            path: PathBuf::from("a background task"),
            source: failure.into(),
        },
    }
}

#[cfg(test)]
pub(crate) mod tests;
