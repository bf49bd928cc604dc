//! Owns the summary of a data set for people and tools, taken from the manifest alone.
//!
//! Only `voxels` reads shards; `preview` draws the pictures.

mod lesions;
mod summary;
mod voxels;

use serde::Serialize;

use crate::manifest::ValueRange;
use crate::metadata::Metadata;
use crate::note::Note;
use crate::reader::DataSet;

pub use lesions::Lesions;
pub(crate) use lesions::plane_of_largest_lesion;
pub use summary::Summary;
pub use voxels::{CaseStats, Histogram, inspect_voxels};

/// Sums up a data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    pub url: String,
    /// Version of its layout.
    pub layout_version: u32,
    /// Digest of its content.
    pub digest: String,
    /// Voxels along R, A and S.
    pub grid: [usize; 3],
    pub shards: usize,
    /// The cases, in the order of the manifest.
    pub cases: Vec<CaseInspection>,
}

/// Sums up one case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseInspection {
    pub case_id: String,
    /// Voxels of the PET before it was resized, along R, A and S.
    pub source_shape: [usize; 3],
    /// Millimetres a voxel of the PET before it was resized.
    pub source_spacing: [f32; 3],
    /// Directions of the axes as they lie in the PET's file.
    pub source_axes: String,
    /// Millimetres a voxel of the grid.
    pub spacing: [f32; 3],
    pub pet: ValueRange,
    pub ct: ValueRange,
    /// First and last coronal slice that hold a part of the body.
    pub body: [u32; 2],
    /// Whether it has a label.
    pub label: bool,
    /// What is known of the patient.
    pub metadata: Metadata,
    /// The same as the sentence that training reads.
    pub sentence: String,
    /// What is unlikely about it.
    pub notes: Vec<Note>,
    /// Digest of the case.
    pub digest: String,
}

/// Sums up an open data set.
pub fn inspect(data: &DataSet) -> Inspection {
    let manifest = &data.manifest;
    let cases = manifest.cases.iter().map(|case| CaseInspection {
        case_id: case.case_id.clone(),
        source_shape: case.source_shape,
        source_spacing: case.source_spacing,
        source_axes: case.source_axes.clone(),
        spacing: case.spacing,
        pet: case.pet,
        ct: case.ct,
        body: case.body,
        label: case.label,
        metadata: case.metadata.clone(),
        sentence: case.metadata.sentence(false),
        notes: case.notes.clone(),
        digest: case.digest.clone(),
    });
    let shards: std::collections::BTreeSet<u32> =
        manifest.cases.iter().map(|case| case.shard).collect();
    Inspection {
        url: data.location.url().to_owned(),
        layout_version: manifest.layout_version,
        digest: manifest.digest(),
        grid: manifest.grid,
        shards: shards.len(),
        cases: cases.collect(),
    }
}

#[cfg(test)]
mod tests;
