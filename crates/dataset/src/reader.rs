//! Owns the open data set: its manifest, the footers of its shards, and ranged reads of single slices.
//!
//! A footer is read once and kept. Ranges come from the store, or from the cache where there is one. Every slice that
//! leaves here was checked against its checksum. Which slices make a stack, and how their values are windowed, is
//! decided elsewhere.

mod footer;
mod packed;

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
use crate::pages::{Column, Expected, Fetched};
use crate::shard::{CHECKSUM_COLUMN, LABEL_COLUMN};
use footer::Footer;
use packed::Place;
pub(crate) use packed::{Packed, Unpacked};

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
