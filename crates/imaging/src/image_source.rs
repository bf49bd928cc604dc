//! Owns the name of an image's files. It opens none.

use std::path::{Path, PathBuf};

/// Where an image of a case lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// A NIfTI file, a DICOM file, or a folder that holds the files of one DICOM series.
    Path(PathBuf),
    /// The files of one DICOM series, which may lie among others.
    Series {
        /// A folder to name it by.
        folder: PathBuf,
        files: Vec<PathBuf>,
    },
}

impl ImageSource {
    /// Gives the path that it is named by.
    pub fn path(&self) -> &Path {
        match self {
            Self::Path(path) => path,
            Self::Series { folder, .. } => folder,
        }
    }

    /// Lists the files that it is known to be made of; of a folder in a table, the folder.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let (one, many) = match self {
            Self::Path(path) => (Some(path), &[][..]),
            Self::Series { files, .. } => (None, &files[..]),
        };
        one.into_iter().chain(many).map(PathBuf::as_path)
    }

    /// Says in words which part of an image a path is, without the path: `the PET`, `file 12 of the PET series`.
    pub fn part(&self, role: &str, path: &Path) -> String {
        let number = match self {
            Self::Path(folder) if folder != path => {
                let files = crate::dicom::dicom_files(folder).unwrap_or_default();
                files.iter().position(|file| file == path)
            }
            Self::Path(_) => None,
            Self::Series { files, .. } => files.iter().position(|file| file == path),
        };
        number.map_or_else(
            || format!("the {role}"),
            |number| format!("file {} of the {role} series", number + 1),
        )
    }
}

impl From<PathBuf> for ImageSource {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<&str> for ImageSource {
    fn from(path: &str) -> Self {
        Self::Path(path.into())
    }
}
