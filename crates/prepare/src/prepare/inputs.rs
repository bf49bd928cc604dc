//! Owns the record of what a shard was made from, and the question whether that still holds.
//!
//! Files are known by their content. Size and time of change only save hashing a file that was not touched.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use fratmae_dataset::{LAYOUT_VERSION, ManifestCase, Metadata};
use fratmae_imaging::ImageSource;
use serde::{Deserialize, Serialize};

use super::SkippedCase;
use super::shard_builder::ShardBuilder;
use crate::PrepareError;
use crate::source::CaseSource;

/// What all shards of a data set share; part of every record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) layout_version: u32,
    pub(super) grid: [usize; 3],
    pub(super) labels: bool,
}

/// Lies beside a shard and says what it was made from and what it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ShardRecord {
    pub(super) settings: Settings,
    /// Size of the shard; none where no case of it could be used.
    pub(super) bytes: Option<u64>,
    pub(super) inputs: Vec<CaseInputs>,
    pub(super) cases: Vec<ManifestCase>,
    pub(super) skipped: Vec<SkippedCase>,
}

/// Fingerprints what one case was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct CaseInputs {
    pub(super) case_id: String,
    metadata: Metadata,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fold: Option<u32>,
    pet: FileMark,
    ct: FileMark,
    label: Option<FileMark>,
}

/// Fingerprints one file, or a folder with all its files; what cannot be read has no content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FileMark {
    bytes: u64,
    modified_ns: u64,
    blake3: Option<String>,
}

impl Settings {
    pub(super) fn new(grid: [usize; 3], labels: bool) -> Self {
        Self {
            layout_version: LAYOUT_VERSION,
            grid,
            labels,
        }
    }
}

impl ShardRecord {
    /// Says whether the shard is what these cases would give. Reads files where their times differ.
    pub(super) fn holds(&self, builder: &ShardBuilder, cases: &[CaseSource]) -> bool {
        let is_noted = |case: &ManifestCase| !case.notes.is_empty();
        self.settings == builder.settings
            && (builder.skip_bad || self.skipped.is_empty())
            && !(builder.refuse_noted && self.cases.iter().any(is_noted))
            && self.inputs.len() == cases.len()
            && self
                .inputs
                .iter()
                .zip(cases)
                .all(|(inputs, case)| inputs.hold(case))
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, PrepareError> {
        serde_json::to_vec_pretty(self).map_err(|error| PrepareError::Io {
            action: "write",
            path: "the record of a shard".into(),
            source: error.into(),
        })
    }
}

impl CaseInputs {
    /// Reads the files of a case once, to know them again.
    pub(super) fn of(case: &CaseSource) -> Self {
        Self {
            case_id: case.case_id.clone(),
            metadata: case.metadata.clone(),
            fold: case.fold,
            pet: FileMark::of(&case.pet),
            ct: FileMark::of(&case.ct),
            label: case.label.as_ref().map(FileMark::of),
        }
    }

    fn hold(&self, case: &CaseSource) -> bool {
        let label = match (&self.label, &case.label) {
            (Some(mark), Some(path)) => mark.holds(path),
            (mark, path) => mark.is_none() && path.is_none(),
        };
        self.case_id == case.case_id
            && self.metadata == case.metadata
            && self.fold == case.fold
            && label
            && self.pet.holds(&case.pet)
            && self.ct.holds(&case.ct)
    }
}

impl FileMark {
    fn of(source: &ImageSource) -> Self {
        let (bytes, modified_ns) = size_and_time(source);
        Self {
            bytes,
            modified_ns,
            blake3: content(source),
        }
    }

    fn holds(&self, source: &ImageSource) -> bool {
        let (bytes, modified_ns) = size_and_time(source);
        self.bytes == bytes && (self.modified_ns == modified_ns || self.blake3 == content(source))
    }
}

/// Gives the size of all files, and a number that changes with the name, size or time of any.
fn size_and_time(source: &ImageSource) -> (u64, u64) {
    let Some(files) = many(source) else {
        return size_and_time_of_file(source.path());
    };
    let mut hasher = blake3::Hasher::new();
    let mut bytes = 0;
    for file in files.unwrap_or_default() {
        let (size, modified_ns) = size_and_time_of_file(&file);
        bytes += size;
        hash_name(&mut hasher, &file, size);
        hasher.update(&modified_ns.to_le_bytes());
    }
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
    (bytes, u64::from_le_bytes([a, b, c, d, e, f, g, h]))
}

fn size_and_time_of_file(path: &Path) -> (u64, u64) {
    let Ok(found) = path.metadata() else {
        return (0, 0);
    };
    let modified = found
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    (
        found.len(),
        modified.map_or(0, |since| since.as_nanos() as u64),
    )
}

fn content(source: &ImageSource) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    match many(source) {
        Some(files) => {
            for file in files.ok()? {
                hash_name(&mut hasher, &file, file.metadata().ok()?.len());
                hasher.update_reader(File::open(&file).ok()?).ok()?;
            }
        }
        // A pipe must not be opened: that waits for somebody who writes to it.
        None if !source.path().is_file() => return None,
        None => {
            let file = File::open(source.path()).ok()?;
            hasher.update_reader(file).ok()?;
        }
    }
    Some(hasher.finalize().to_hex().to_string())
}

/// Lists the files of an image that is of many; nothing of one that is a file.
fn many(source: &ImageSource) -> Option<std::io::Result<Vec<PathBuf>>> {
    match source {
        ImageSource::Series { files, .. } => Some(Ok(files.clone())),
        ImageSource::Path(path) => path.is_dir().then(|| files(path)),
    }
}

/// Lists the files of a folder by name.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Adds name and size of a file, so that bytes cannot move from one file to the next unseen.
fn hash_name(hasher: &mut blake3::Hasher, file: &Path, size: u64) {
    let name = file.file_name().unwrap_or_default().as_encoded_bytes();
    hasher.update(&(name.len() as u64).to_le_bytes());
    hasher.update(name);
    hasher.update(&size.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_known_by_all_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("1.dcm", "one");
        write("2.dcm", "two");
        let source = ImageSource::from(folder.path().to_path_buf());
        let mark = FileMark::of(&source);
        assert_eq!(mark.bytes, 6);
        assert!(mark.holds(&source));
        write("2.dcm", "two");
        assert!(mark.holds(&source), "the same content at another time");
        write("2.dcm", "owt");
        assert!(!mark.holds(&source), "other content of the same size");
        write("2.dcm", "two");
        std::fs::rename(folder.path().join("2.dcm"), folder.path().join("3.dcm")).unwrap();
        assert!(!mark.holds(&source), "another name");
    }
}
