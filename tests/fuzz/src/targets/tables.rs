//! Tables and lists that come with images, each under every name that one is looked for.

use fratmae_prepare::{Layout, survey};

use crate::places::{in_folder, write};

/// What lies beside the images of a folder in AutoPET's layout.
const BESIDE: [&str; 4] = [
    "fdg_metadata.csv",
    "psma_metadata.csv",
    "dataset.json",
    "splits_final.json",
];
/// Images of that layout: one study of each tracer.
const IMAGES: [&str; 4] = [
    "imagesTr/fdg_0b57b247b6_05-02-2002-NA-PET-CT_0000.nii.gz",
    "imagesTr/fdg_0b57b247b6_05-02-2002-NA-PET-CT_0001.nii.gz",
    "imagesTr/psma_95b833d65be26292_2017-11-02_0000.nii.gz",
    "imagesTr/psma_95b833d65be26292_2017-11-02_0001.nii.gz",
];

/// A study in TCIA's layout.
const TCIA: &str = "PETCT_0b57b247b6/05-02-2002-NA-PET-CT";

/// Reads an input as a user's table of cases, and as all that can lie beside images.
pub(crate) fn tables(bytes: &[u8]) {
    in_folder(|folder| {
        for name in ["pet.nii", "ct.nii", "label.nii"] {
            write(folder, name, b"");
        }
        let sentences = |source: &str, layout| {
            let found = survey(&folder.join(source), layout);
            for case in found.into_iter().flat_map(|found| found.cases) {
                let _text = case.metadata.sentence(true);
            }
        };
        write(folder, "cases.csv", bytes);
        sentences("cases.csv", Layout::Table);
        for name in IMAGES {
            write(folder, &format!("autopet/{name}"), b"");
        }
        for name in BESIDE {
            write(folder, &format!("autopet/{name}"), bytes);
        }
        sentences("autopet", Layout::AutoPet);
        for name in ["SUV", "CTres", "SEG"] {
            write(folder, &format!("tcia/{TCIA}/{name}.nii.gz"), b"");
        }
        write(folder, "tcia/clinical.csv", bytes);
        sentences("tcia", Layout::Tcia);
    });
}
