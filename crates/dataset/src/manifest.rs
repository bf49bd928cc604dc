//! Owns the manifest: the one object that makes a prepared data set, and says where each case lies and what it holds.
//!
//! It reads and writes JSON and checks what it read. It does not open shards, and it writes no object itself.

use std::borrow::Cow;

use bytes::Bytes;
use fratmae_store::{seal, unseal};
use serde::{Deserialize, Serialize};

use crate::DataSetError;
use crate::metadata::Metadata;
use crate::note::Note;

/// Version of the layout this program reads and writes: manifest, shards and the meaning of both.
pub const LAYOUT_VERSION: u32 = 3;

/// Name of the manifest below the root of a data set.
pub const MANIFEST_NAME: &str = "manifest.json";

/// The key of the manifest's seal, a digest of all its other bytes. Manifests of earlier versions have none.
const SEAL: &str = "seal";
/// The most bytes of an object that has a line or more on every case: a million of them.
pub const LARGEST_TEXT: u64 = 1 << 30;

/// Longest side of a grid that is believed; a larger one is taken for damage.
const LONGEST_SIDE: usize = 4096;

/// Lists the cases of a prepared data set, sorted by case id.
///
/// It has no other keys: so a seal whose key was damaged is not taken for none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub layout_version: u32,
    /// Voxels along R, A and S of every case.
    pub grid: [usize; 3],
    /// [`Manifest::digest`], for people and for tools that do not compute it.
    pub digest: String,
    /// The cases; their place in this list is their number in the order.
    pub cases: Vec<ManifestCase>,
}

/// Says where one case lies and what it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ManifestCase {
    /// Name of the case, unique in the data set.
    pub case_id: String,
    /// Number of its shard, see [`shard_name`].
    pub shard: u32,
    /// Number of its row group in the shard.
    pub row_group: u32,
    /// BLAKE3 over all that is read of the case, see `CaseDigest`.
    pub digest: String,
    /// First and last coronal slice that hold a part of the body.
    pub body: [u32; 2],
    /// Whether the case has a label.
    pub label: bool,
    /// What is known of the patient.
    pub metadata: Metadata,
    /// The part of a cross-validation that the case is tested in, where the source says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<u32>,
    /// Voxel of the grid (R, A, S) to millimetres (RAS+).
    pub affine: [[f64; 4]; 3],
    /// Millimetres a voxel of the grid, along R, A and S.
    pub spacing: [f32; 3],
    /// Millimetres a voxel of the PET before it was resized, along R, A and S.
    pub source_spacing: [f32; 3],
    /// Voxels of the PET before it was resized, along R, A and S.
    pub source_shape: [usize; 3],
    /// Directions of the axes as they lie in the PET's file, such as `LAS`.
    pub source_axes: String,
    /// SUV in the grid.
    pub pet: ValueRange,
    /// Hounsfield units in the grid.
    pub ct: ValueRange,
    /// What is unlikely about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// Sums up the voxels of one volume.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ValueRange {
    pub min: f32,
    pub max: f32,
    pub mean: f32,
}

/// Returns the name of a shard below the root of its data set.
pub fn shard_name(shard: u32) -> String {
    format!("shards/shard-{shard:05}.parquet")
}

/// Says why a grid cannot be one, if so.
pub fn grid_fault(grid: [usize; 3]) -> Option<String> {
    let fits = grid.iter().all(|side| (1..=LONGEST_SIDE).contains(side));
    (!fits).then(|| format!("the grid {grid:?} has a side outside 1..={LONGEST_SIDE}"))
}

impl Manifest {
    /// Lists cases, in whatever order they come.
    pub fn new(grid: [usize; 3], mut cases: Vec<ManifestCase>) -> Self {
        cases.sort_by(|one, other| one.case_id.cmp(&other.case_id));
        let mut manifest = Self {
            layout_version: LAYOUT_VERSION,
            grid,
            digest: String::new(),
            cases,
        };
        manifest.digest = manifest.digest();
        manifest
    }

    /// Computes the digest of the content, in hex: the same however the cases are cut into shards.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("fratmae 2026-11-24 data set");
        hasher.update(&self.layout_version.to_le_bytes());
        hash_grid(&mut hasher, self.grid);
        for case in &self.cases {
            hash_text(&mut hasher, &case.case_id);
            hash_text(&mut hasher, &case.digest);
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Reads a manifest found at `url` and checks that its parts fit together.
    ///
    /// # Errors
    /// [`DataSetError::LayoutVersion`] for another layout, [`DataSetError::Manifest`] for what is no manifest or is
    /// damaged, [`DataSetError::Empty`] for one without cases.
    pub fn parse(bytes: &[u8], url: &str) -> Result<Self, DataSetError> {
        #[derive(Deserialize)]
        struct Version {
            layout_version: u32,
            seal: Option<serde::de::IgnoredAny>,
        }
        let damaged = |reason: String| DataSetError::Manifest {
            url: url.to_owned(),
            reason,
        };
        let unreadable =
            |error: serde_json::Error| damaged(format!("{MANIFEST_NAME} cannot be read: {error}"));
        let version: Version = serde_json::from_slice(bytes).map_err(unreadable)?;
        let body = match version.seal {
            None => Cow::Borrowed(bytes),
            Some(_) => {
                let broken = |_| {
                    damaged(format!(
                        "its seal is not that of its bytes: {MANIFEST_NAME} was changed by hand or is damaged; restore it from a copy"
                    ))
                };
                Cow::Owned(unseal(SEAL, bytes).map_err(broken)?.into_bytes())
            }
        };
        if version.layout_version != LAYOUT_VERSION {
            let (found, expected) = (version.layout_version, LAYOUT_VERSION);
            return Err(DataSetError::LayoutVersion {
                url: url.to_owned(),
                found,
                expected,
            });
        }
        let manifest: Self = serde_json::from_slice(&body).map_err(unreadable)?;
        if manifest.cases.is_empty() {
            return Err(DataSetError::Empty {
                place: url.to_owned(),
                hint: "prepare some cases into it".to_owned(),
            });
        }
        manifest
            .fault()
            .map_or(Ok(()), |fault| Err(damaged(fault)))?;
        Ok(manifest)
    }

    /// Says what does not fit together, if anything.
    fn fault(&self) -> Option<String> {
        if self
            .grid
            .iter()
            .any(|side| !(1..=LONGEST_SIDE).contains(side))
        {
            return Some(format!(
                "its grid {:?} has a side outside 1..={LONGEST_SIDE}",
                self.grid
            ));
        }
        let sorted = self
            .cases
            .windows(2)
            .all(|pair| pair[0].case_id < pair[1].case_id);
        if !sorted {
            return Some("its cases are not sorted by case id".to_owned());
        }
        let stray = self.cases.iter().find(|case| {
            let [first, last] = case.body;
            first > last || last as usize >= self.grid[1]
        });
        if let Some(case) = stray {
            return Some(format!(
                "the body box {:?} of case {} leaves the grid",
                case.body, case.case_id
            ));
        }
        let changed = self.digest != self.digest();
        changed.then(|| format!("its digest is not that of its cases: {MANIFEST_NAME} was changed by hand or is damaged"))
    }

    /// Writes the manifest as the bytes of its object, sealed.
    ///
    /// # Errors
    /// [`DataSetError::Manifest`] for numbers that JSON does not have.
    pub fn to_json(&self) -> Result<Bytes, DataSetError> {
        seal(SEAL, self).map_err(|error| DataSetError::Manifest {
            url: MANIFEST_NAME.to_owned(),
            reason: error.to_string(),
        })
    }

    /// The digest of a manifest's bytes without their seal, in hex, and whether they have one.
    pub(crate) fn digest_of(bytes: &[u8]) -> (String, bool) {
        let body = unseal(SEAL, bytes);
        let covered = body.as_ref().map_or(bytes, |body| body.as_bytes());
        (blake3::hash(covered).to_hex().to_string(), body.is_ok())
    }
}

/// Hashes one case: its name, grid, metadata, geometry, slices and label.
///
/// Shard, row group and figures derived from the voxels stay out, so that the digest says what is read and not where
/// it lies.
pub(crate) struct CaseDigest {
    hasher: blake3::Hasher,
}

impl CaseDigest {
    /// Starts with all that is not voxels.
    pub(crate) fn new(
        case_id: &str,
        grid: [usize; 3],
        metadata: &Metadata,
        affine: &[[f64; 4]; 3],
        body: [u32; 2],
    ) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("fratmae 2026-11-24 case");
        hash_text(&mut hasher, case_id);
        hash_grid(&mut hasher, grid);
        let Metadata {
            tracer,
            age,
            sex,
            diagnosis,
            stage,
        } = metadata;
        for text in [tracer, sex, diagnosis, stage] {
            hasher.update(&[u8::from(text.is_some())]);
            hash_text(&mut hasher, text.as_deref().unwrap_or_default());
        }
        hasher.update(&[u8::from(age.is_some())]);
        hasher.update(&age.unwrap_or_default().to_le_bytes());
        for number in affine.iter().flatten() {
            hasher.update(&number.to_le_bytes());
        }
        for row in body {
            hasher.update(&row.to_le_bytes());
        }
        Self { hasher }
    }

    /// Adds the digest of the next slice.
    pub(crate) fn slice(&mut self, digest: &[u8; 32]) {
        self.hasher.update(digest);
    }

    /// Adds the whole label, or that there is none.
    pub(crate) fn label(&mut self, label: Option<&[u8]>) {
        self.hasher.update(&[u8::from(label.is_some())]);
        self.hasher.update(label.unwrap_or_default());
    }

    /// Returns the digest in hex.
    pub(crate) fn finish(self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}

fn hash_text(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

fn hash_grid(hasher: &mut blake3::Hasher, grid: [usize; 3]) {
    for side in grid {
        hasher.update(&(side as u64).to_le_bytes());
    }
}

#[cfg(test)]
pub(crate) mod tests;
