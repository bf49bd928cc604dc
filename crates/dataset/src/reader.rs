//! Owns the open data set: its manifest, the footers of its shards, and ranged reads of single slices.
//!
//! A footer is read once and kept. Ranges come from the store, or from the cache where there is one. Every slice that leaves here was checked against its digest. Which slices make a
//! stack, and how their values are windowed, is decided elsewhere.

mod footer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use fratmae_store::Location;
use half::f16;
use parquet::errors::ParquetError;
use tokio::sync::OnceCell;

use crate::DataSetError;
use crate::cache::Cache;
use crate::manifest::{MANIFEST_NAME, Manifest, ManifestCase, shard_name};
use crate::pages::{Column, Expected, Fetched};
use crate::shard::slice_digest;
use footer::Footer;

/// An open data set; opening reads the manifest only.
#[derive(Debug)]
pub struct DataSet {
    /// Where it lies.
    pub location: Location,
    /// What it holds.
    pub manifest: Manifest,
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
    /// SUV.
    pub pet: Vec<f16>,
    /// Hounsfield units.
    pub ct: Vec<f16>,
}

/// Holds slices as they came off the store: compressed, and not checked yet.
pub(crate) struct Packed {
    place: Place,
    rows: Vec<u32>,
    plane: usize,
    pet: (Column, Fetched),
    ct: (Column, Fetched),
    digest: (Column, Fetched),
}

/// Holds checked slices as little-endian bytes, with their digests.
pub(crate) struct Unpacked {
    pub(crate) pet: Vec<u8>,
    pub(crate) ct: Vec<u8>,
    pub(crate) digests: Vec<[u8; 32]>,
}

impl DataSet {
    /// Opens the data set prepared at a location.
    ///
    /// # Errors
    /// [`DataSetError::Manifest`] where there is none or a damaged one, [`DataSetError::Empty`],
    /// [`DataSetError::LayoutVersion`], and [`DataSetError::Store`] where the store fails.
    pub async fn open(location: &Location) -> Result<Self, DataSetError> {
        let url = location.url();
        let bytes = location.get_if_present(MANIFEST_NAME).await?.ok_or_else(|| DataSetError::Manifest {
            url: url.to_owned(),
            reason: format!("{MANIFEST_NAME} is missing; check the address, or run `fratmae prepare` to its end"),
        })?;
        let manifest = Manifest::parse(&bytes, url)?;
        let footers = manifest
            .cases
            .iter()
            .map(|case| (case.shard, OnceCell::new()))
            .collect();
        Ok(Self {
            location: location.clone(),
            manifest,
            footers,
            cache: None,
        })
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

    /// Reads slices of one case; only their pages are fetched.
    ///
    /// # Errors
    /// [`DataSetError::DigestMismatch`] for a damaged slice, [`DataSetError::Parquet`] for a damaged shard or slices
    /// that do not ascend within the grid, [`DataSetError::Store`] where the store fails.
    pub async fn read_slices(&self, case: u32, rows: &[u32]) -> Result<Slices, DataSetError> {
        let packed = self.fetch(case, rows, Origin::Nearest).await?;
        unblocked(move || {
            let unpacked = packed.unpack()?;
            Ok(Slices {
                pet: voxels(&unpacked.pet),
                ct: voxels(&unpacked.ct),
            })
        })
        .await
    }

    /// Fetches slices of one case and leaves the work on them to the caller.
    pub(crate) async fn fetch(
        &self,
        case: u32,
        rows: &[u32],
        origin: Origin,
    ) -> Result<Packed, DataSetError> {
        let entry = self.entry(case)?;
        let [side_r, _, side_s] = self.manifest.grid;
        let plane = side_r * side_s;
        let (pet, ct, digest) = futures::try_join!(
            self.fetch_column(entry, rows, ("pet", plane, 2), origin),
            self.fetch_column(entry, rows, ("ct", plane, 2), origin),
            self.fetch_column(entry, rows, ("digest", 1, 32), origin),
        )?;
        Ok(Packed {
            place: Place::of(entry),
            rows: rows.to_vec(),
            plane,
            pet,
            ct,
            digest,
        })
    }

    /// Reads the whole label of a case that has one.
    pub(crate) async fn fetch_label(&self, case: u32) -> Result<Vec<u8>, DataSetError> {
        let entry = self.entry(case)?;
        let [side_r, rows, side_s] = self.manifest.grid;
        let rows: Vec<u32> = (0..rows as u32).collect();
        let (column, fetched) = self
            .fetch_column(entry, &rows, ("label", side_r * side_s, 4), Origin::Nearest)
            .await?;
        let place = Place::of(entry);
        unblocked(move || {
            // Parquet has no 8-bit integers: a label is stored as 32 bits, of which the first byte counts.
            let words = column
                .unpack(fetched, &rows)
                .map_err(|(slice, error)| place.unpackable(slice as u32, &column, &error))?;
            Ok(words.chunks_exact(4).map(|word| word[0]).collect())
        })
        .await
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

    /// Fetches the rows of one column, given as (name, values a row, bytes a value).
    async fn fetch_column(
        &self,
        entry: &ManifestCase,
        rows: &[u32],
        (name, per_row, value_bytes): (&str, usize, usize),
        origin: Origin,
    ) -> Result<(Column, Fetched), DataSetError> {
        let shard = shard_name(entry.shard);
        let footer = self.footer(entry.shard).await?;
        let broken = |source| DataSetError::Parquet {
            action: "use",
            shard: shard.clone(),
            source,
        };
        let expected = Expected {
            name,
            rows: self.manifest.grid[1],
            per_row,
            value_bytes,
        };
        let column =
            Column::find(&footer.metadata, entry.row_group as usize, expected).map_err(broken)?;
        let ranges = column.ranges(rows).map_err(broken)?;
        let bytes = match &self.cache {
            Some(cache) => {
                let afresh = origin == Origin::Store;
                cache
                    .get_ranges(&self.location, footer.shard, &ranges, afresh)
                    .await?
            }
            None => self.location.get_ranges(&shard, &ranges).await?,
        };
        let fetched = Fetched::new(&ranges, bytes);
        Ok((column, fetched))
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
        DataSetError::DigestMismatch {
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
}

impl Packed {
    /// Decompresses the slices and checks each against its digest. Takes milliseconds: not for a runtime's own thread.
    pub(crate) fn unpack(self) -> Result<Unpacked, DataSetError> {
        let Self {
            place,
            rows,
            plane,
            pet,
            ct,
            digest,
        } = self;
        let pages = pet.0.clone();
        let unpack = |(column, fetched): (Column, Fetched)| {
            column
                .unpack(fetched, &rows)
                .map_err(|(slice, error)| place.unpackable(slice as u32, &column, &error))
        };
        let (pet, ct, stored) = (unpack(pet)?, unpack(ct)?, unpack(digest)?);
        let slices = pet.chunks_exact(plane * 2).zip(ct.chunks_exact(plane * 2));
        let digests: Vec<[u8; 32]> = slices.map(|(pet, ct)| slice_digest(pet, ct)).collect();
        let mut pairs = rows
            .iter()
            .zip(digests.iter().zip(stored.as_chunks::<32>().0));
        if let Some((&slice, _)) = pairs.find(|(_, (digest, stored))| digest != stored) {
            return Err(place.damaged(slice, &pages));
        }
        Ok(Unpacked { pet, ct, digests })
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
        Err(failure) => Err(lost(failure)),
    }
}

/// Says that a background task ended without a result.
pub(crate) fn lost(failure: tokio::task::JoinError) -> DataSetError {
    DataSetError::Io {
        action: "finish",
        path: PathBuf::from("a background task"),
        source: failure.into(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
