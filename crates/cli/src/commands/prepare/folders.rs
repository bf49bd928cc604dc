//! Owns the folder beside the name of a case that is named by a digest, for whoever reads the terminal. It is no part
//! of a report.

use std::collections::BTreeMap;
use std::path::Path;

use fratmae_prepare::{CaseSource, Layout, Survey};

/// The folder of each case of a DICOM tree; none of other layouts, whose cases bear names of their own.
#[derive(Debug, Default)]
pub(super) struct Folders(BTreeMap<String, String>);

impl Folders {
    pub(super) fn of(survey: &Survey) -> Self {
        if survey.layout != Layout::Dicom {
            return Self::default();
        }
        let cases = survey.cases.iter();
        let named = cases.map(|case| (case.case_id.clone(), folder(case)));
        Self(named.collect())
    }

    /// Gives the name of a case with its folder, where there is one and `text` about the case does not name it.
    pub(super) fn beside(&self, case_id: &str, text: &str) -> String {
        match self.0.get(case_id) {
            Some(folder) if !text.contains(folder) => format!("{case_id} ({folder})"),
            _ => case_id.to_owned(),
        }
    }
}

/// Names the folder that holds the images of a case.
fn folder(case: &CaseSource) -> String {
    let [pet, ct] = [&case.pet, &case.ct].map(|image| image.path());
    let both = pet.ancestors().find(|folder| ct.starts_with(folder));
    let both = both.filter(|folder| *folder != Path::new(""));
    both.unwrap_or(pet).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(layout: Layout, pet: &str, ct: &str) -> Folders {
        Folders::of(&Survey {
            layout,
            cases: vec![CaseSource::new("5a56", pet, ct)],
            dropped_columns: vec![],
            remarks: vec![],
        })
    }

    #[test]
    fn a_digest_stands_beside_the_folder_of_its_images() {
        let named = |pet, ct| folders(Layout::Dicom, pet, ct).beside("5a56", "it is cut");
        assert_eq!(named("tree/a/pet", "tree/a/ct"), "5a56 (tree/a)");
        assert_eq!(named("tree/a", "tree/a"), "5a56 (tree/a)");
        assert_eq!(named("pet", "ct"), "5a56 (pet)");
        let found = folders(Layout::Dicom, "tree/a/pet", "tree/a/ct");
        assert_eq!(found.beside("5a56", "tree/a/pet is cut"), "5a56");
        assert_eq!(found.beside("other", "it is cut"), "other");
        let table = folders(Layout::Table, "a/pet", "a/ct");
        assert_eq!(table.beside("5a56", "it is cut"), "5a56");
    }
}
