//! Owns the grouping of a tree of DICOM files: which files make a series, and of which study it is.
//!
//! Folders and names of files say nothing: a series may lie anywhere, among others, at any depth.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::codes::printable;
use super::geometry::Space;
use super::slice::SeriesHeader;
use super::walk::walk;
use super::{is_apple_double, is_dicom, is_directory_file, part10};
use crate::ImageError;

/// The modalities of which images are taken.
const TAKEN: [&str; 3] = ["PT", "CT", "SEG"];

/// The series of a tree, and what else lies there.
#[derive(Debug, Default)]
pub struct FoundTree {
    /// Series of PET, CT and segmentations, in the order of their first files. Localizers are series of their own.
    pub series: Vec<FoundSeries>,
    /// Whether a file named its study and series, of whichever modality.
    pub holds_dicom: bool,
    /// Files and folders that were passed over, by what they are.
    pub passed_over: BTreeMap<String, Vec<PathBuf>>,
}

/// The files of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundSeries {
    pub files: Vec<PathBuf>,
    /// Slices of all files; those of copies count once.
    pub slices: usize,
    /// The space that all slices take, where each says so.
    pub space: Option<Space>,
    /// What its first file says.
    pub header: SeriesHeader,
    /// Names of its images: SOPInstanceUIDs, or where one is missing the path of the file.
    images: HashSet<String>,
}

/// What one file of a tree is.
enum FileKind {
    Dicom(Box<SeriesHeader>),
    /// It bears the mark of DICOM and its header cannot be used.
    Unreadable,
    Other,
    /// What macOS and media leave beside files.
    Nothing,
}

/// Finds the series of a tree; it opens every regular file.
///
/// # Errors
/// `Io` where a folder cannot be listed. A DICOM file that names no series is passed over with a warning.
pub fn find_series(root: &Path) -> Result<FoundTree, ImageError> {
    let walked = walk(root)?;
    let kinds: Vec<FileKind> = walked.files.par_iter().map(|file| kind_of(file)).collect();
    let mut tree = FoundTree::default();
    for other in walked.others {
        tree.pass("pipes, devices and broken links", other);
    }
    let mut found: BTreeMap<(String, String, bool), FoundSeries> = BTreeMap::new();
    for (file, kind) in walked.files.into_iter().zip(kinds) {
        match kind {
            FileKind::Nothing => {}
            FileKind::Other => tree.pass("files that are not DICOM", file),
            FileKind::Unreadable => tree.pass("DICOM files whose header cannot be used", file),
            FileKind::Dicom(header) => {
                tree.holds_dicom = true;
                tree.take(file, *header, &mut found);
            }
        }
    }
    tree.series = found.into_values().collect();
    tree.series
        .sort_by(|one, other| one.files[0].cmp(&other.files[0]));
    Ok(tree)
}

impl FoundTree {
    fn pass(&mut self, kind: &'static str, file: PathBuf) {
        self.passed_over
            .entry(kind.to_owned())
            .or_default()
            .push(file);
    }

    /// Puts a DICOM file into its series.
    fn take(
        &mut self,
        file: PathBuf,
        header: SeriesHeader,
        found: &mut BTreeMap<(String, String, bool), FoundSeries>,
    ) {
        if !TAKEN.contains(&header.modality.as_str()) {
            let kind = format!("files of modality {}", printable(&header.modality));
            self.passed_over.entry(kind).or_default().push(file);
            return;
        }
        if header.localizer {
            self.pass("localizers", file.clone());
        }
        let name = (
            header.study.clone(),
            header.series.clone(),
            header.localizer,
        );
        match found.get_mut(&name) {
            Some(series) if series.holds(&header) => {
                self.pass("copies of images", file.clone());
                series.files.push(file);
            }
            Some(series) => series.add(file, &header),
            None => {
                found.insert(name, FoundSeries::of(file, header));
            }
        }
    }
}

impl FoundSeries {
    fn of(file: PathBuf, header: SeriesHeader) -> Self {
        Self {
            images: HashSet::from([name_of(&file, &header)]),
            files: vec![file],
            slices: header.frames,
            space: header.space,
            header,
        }
    }

    /// Says whether an image of this name is there. Whether it is the same image is seen when it is read.
    fn holds(&self, header: &SeriesHeader) -> bool {
        let image = header.image.as_ref();
        image.is_some_and(|image| self.images.contains(image))
    }

    fn add(&mut self, file: PathBuf, header: &SeriesHeader) {
        self.images.insert(name_of(&file, header));
        self.files.push(file);
        self.slices += header.frames;
        self.space = self.space.zip(header.space).map(|(a, b)| a.with(b));
    }

    /// Counts its images; copies count once.
    pub fn images(&self) -> usize {
        self.images.len()
    }

    /// Gives the folder of its first file.
    pub fn folder(&self) -> &Path {
        self.files[0].parent().unwrap_or(Path::new(""))
    }
}

fn name_of(file: &Path, header: &SeriesHeader) -> String {
    let image = header.image.clone();
    image.unwrap_or_else(|| file.display().to_string())
}

fn kind_of(file: &Path) -> FileKind {
    if is_directory_file(file) || is_apple_double(file) {
        return FileKind::Nothing;
    }
    if !is_dicom(file) {
        return FileKind::Other;
    }
    match part10::interpret_header(file, |data, _| SeriesHeader::of(data)) {
        Ok(header) => FileKind::Dicom(Box::new(header)),
        Err(error) => {
            tracing::warn!("passed over: {error}");
            FileKind::Unreadable
        }
    }
}
