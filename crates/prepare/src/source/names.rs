//! Owns the list of which files each case was made of, for the owner of the files. It names folders, which may be names
//! of patients: nothing of it enters a data set.

use std::path::Path;

use fratmae_imaging::ImageSource;

use super::Survey;
use crate::PrepareError;

/// The columns of the list; of a series among others the first file is named as well.
const COLUMNS: [&str; 6] = [
    "case_id",
    "pet",
    "pet_first_file",
    "ct",
    "ct_first_file",
    "label",
];

impl Survey {
    /// Lists the files of every case, as CSV with absolute paths.
    ///
    /// # Errors
    /// `Io` where the list cannot be made.
    pub fn names(&self) -> Result<Vec<u8>, PrepareError> {
        self.write_names().map_err(|source| PrepareError::Io {
            action: "write",
            path: "the list of names".into(),
            source,
        })
    }

    fn write_names(&self) -> std::io::Result<Vec<u8>> {
        let mut sheet = csv::Writer::from_writer(Vec::new());
        sheet.write_record(COLUMNS)?;
        for case in &self.cases {
            let label = case.label.as_ref().map(ImageSource::path);
            sheet.write_record([
                case.case_id.clone().into_bytes(),
                absolute(case.pet.path())?,
                first_file(&case.pet),
                absolute(case.ct.path())?,
                first_file(&case.ct),
                label.map(absolute).transpose()?.unwrap_or_default(),
            ])?;
        }
        sheet.into_inner().map_err(|error| error.into_error())
    }
}

fn absolute(path: &Path) -> std::io::Result<Vec<u8>> {
    let path = std::path::absolute(path)?;
    Ok(path.into_os_string().into_encoded_bytes())
}

fn first_file(image: &ImageSource) -> Vec<u8> {
    let ImageSource::Series { files, .. } = image else {
        return Vec::new();
    };
    let name = files.first().and_then(|file| file.file_name());
    name.map_or_else(Vec::new, |name| name.as_encoded_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::{CaseSource, Layout};
    use super::*;

    #[test]
    fn every_case_is_named_with_the_folders_of_its_series() {
        let series = |folder: &str, files: &[&str]| ImageSource::Series {
            folder: folder.into(),
            files: files
                .iter()
                .map(|file| Path::new(folder).join(file))
                .collect(),
        };
        let case = CaseSource {
            label: Some(series("/a/seg", &["1"])),
            ..CaseSource::new(
                "5a564ac74be0",
                series("/a/Doe, J/pet", &["IM1", "IM2"]),
                series("/a/ct", &["x \"1\""]),
            )
        };
        let survey = Survey {
            layout: Layout::Dicom,
            cases: vec![case, CaseSource::new("b", "/b/pet.nii.gz", "/b/ct.nii.gz")],
            dropped_columns: vec![],
            remarks: vec![],
        };
        assert_eq!(
            String::from_utf8(survey.names().unwrap()).unwrap(),
            "case_id,pet,pet_first_file,ct,ct_first_file,label\n\
             5a564ac74be0,\"/a/Doe, J/pet\",IM1,/a/ct,\"x \"\"1\"\"\",/a/seg\n\
             b,/b/pet.nii.gz,,/b/ct.nii.gz,,\n"
        );
    }
}
