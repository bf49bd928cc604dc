//! Owns the names of the layouts of raw data, and what each is known by.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use fratmae_dataset::DataSetError;

use super::fault::Remark;
use crate::PrepareError;

/// How raw data is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Whichever is found.
    #[default]
    Auto,
    /// AutoPET III, as nnU-Net has it.
    AutoPet,
    /// TCIA's FDG-PET-CT-Lesions as NIfTI.
    Tcia,
    /// Any tree of DICOM files.
    Dicom,
    /// A CSV file of cases.
    Table,
}

impl Layout {
    /// All of them, as they are typed.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("auto", Self::Auto),
        ("autopet", Self::AutoPet),
        ("tcia", Self::Tcia),
        ("dicom", Self::Dicom),
        ("table", Self::Table),
    ];

    /// Says what a source of this layout has.
    pub(super) fn looked_for(self) -> &'static str {
        match self {
            Self::Auto => {
                "a CSV file of cases, or a folder with imagesTr/*_0000.nii.gz (CT) and imagesTr/*_0001.nii.gz (PET), \
                 with PETCT_*/*/SUV.nii.gz, or with DICOM files of PET and CT"
            }
            Self::AutoPet => {
                "imagesTr/*_0000.nii.gz (CT) and imagesTr/*_0001.nii.gz (PET), also .nii"
            }
            Self::Tcia => "PETCT_*/*/SUV.nii.gz, here or one folder further in",
            Self::Dicom => "DICOM files, at any depth",
            Self::Table => "a file that ends in .csv, with a row for each case",
        }
    }

    /// Refuses a source of this layout without a single case, and says what is there in their place.
    pub(super) fn empty(self, source: &Path, remarks: &[Remark]) -> PrepareError {
        let found = remarks.iter().map(|remark| match &remark.names[..] {
            [] => remark.text.clone(),
            [first, ..] => format!("{} (such as {first})", remark.text),
        });
        let found: Vec<String> = found.collect();
        let found = match found.is_empty() {
            true => String::new(),
            false => format!("; found {}", found.join("; ")),
        };
        DataSetError::Empty {
            place: source.display().to_string(),
            hint: format!(
                "give at least one case with a PET and a CT, here {}{found}",
                self.looked_for()
            ),
        }
        .into()
    }

    /// Refuses a source that is not in this layout.
    pub(super) fn absent(self, source: &Path) -> PrepareError {
        let layout = match self {
            Self::Auto => "it has none of the known layouts; ".to_owned(),
            named => format!("it is not in the layout {named}; "),
        };
        if std::fs::symlink_metadata(source)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        {
            return PrepareError::Source {
                path: source.to_path_buf(),
                reason: format!(
                    "it does not exist; looked for {}, found nothing",
                    self.looked_for()
                ),
            };
        }
        PrepareError::Source {
            path: source.to_path_buf(),
            reason: format!(
                "{layout}looked for {}, found {}",
                self.looked_for(),
                found(source)
            ),
        }
    }
}

/// Says in a few words what is there.
fn found(source: &Path) -> String {
    /// More names than these would not be read.
    const NAMED: usize = 4;
    if source.is_file() {
        return "a file".to_owned();
    }
    let entries = match std::fs::read_dir(source) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return "nothing".to_owned(),
        Err(_) if source.exists() && !source.is_dir() => {
            return "neither a file nor a folder (a pipe, socket or device)".to_owned();
        }
        Err(error) => return format!("a folder that cannot be listed ({error})"),
    };
    let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.flatten().map(name).collect();
    names.sort();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    match (names.is_empty(), more) {
        (true, _) => "an empty folder".to_owned(),
        (_, 0) => names.join(", "),
        (_, more) => format!("{} and {more} more", names.join(", ")),
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::NAMES.iter().find(|(_, layout)| layout == self);
        formatter.write_str(named.map_or("auto", |(name, _)| name))
    }
}

impl FromStr for Layout {
    type Err = PrepareError;

    fn from_str(text: &str) -> Result<Self, PrepareError> {
        let named = Self::NAMES.iter().find(|(name, _)| *name == text);
        let names = || Self::NAMES.map(|(name, _)| name).join(", ");
        named
            .map(|(_, layout)| *layout)
            .ok_or_else(|| PrepareError::Options {
                reason: format!("{text:?} is no layout: give one of {}", names()),
            })
    }
}
