//! Owns the proofs about finding cases: which tables and folders are understood, and how a wrong one is named.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// A folder with empty files of the given names.
fn folder_of(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"").unwrap();
    }
    folder
}

fn table_in(folder: &Path, text: &str) -> Result<Vec<CaseSource>, DataSetError> {
    let path = folder.join("cases.csv");
    fs::write(&path, text).unwrap();
    find_cases(&path)
}

/// The refusal of a table in a folder that holds p.nii and c.nii.
fn refusal(text: &str) -> String {
    let folder = folder_of(&["p.nii", "c.nii"]);
    let message = table_in(folder.path(), text).unwrap_err().to_string();
    assert!(
        message.contains("cases.csv") && !message.contains('\n'),
        "{message}"
    );
    message
}

#[test]
fn table_gives_cases_in_order_with_paths_beside_it() {
    let folder = folder_of(&["a/p.nii", "a/c.nii", "a/l.nii"]);
    let text = "\u{feff}Case_ID, PET ,ct,Label,AGE,sex,diagnosis,tracer,patient name,Stage,fold\n\
                z,a/p.nii,a/c.nii,,,,,,Doe,,\n\
                b,a/p.nii,a/c.nii,a/l.nii,060Y,F,LYMPHOMA,FDG,Doe,stage 2b,3\n";
    let cases = table_in(folder.path(), text).unwrap();
    assert_eq!(
        cases
            .iter()
            .map(|case| case.case_id.as_str())
            .collect::<Vec<_>>(),
        ["b", "z"]
    );
    assert_eq!(cases[0].pet.path(), folder.path().join("a/p.nii"));
    assert_eq!(cases[0].label, Some(folder.path().join("a/l.nii").into()));
    assert_eq!(
        cases[0].metadata.sentence(true),
        "A whole-body 18F-FDG PET scan of a 60-year-old female patient with lymphoma."
    );
    assert_eq!(
        (cases[0].metadata.stage.as_deref(), cases[0].fold),
        (Some("IIB"), Some(3))
    );
    let found = survey(&folder.path().join("cases.csv"), Layout::Table).unwrap();
    assert_eq!(found.dropped_columns, ["patient name"]);
    assert_eq!(
        (&cases[1].label, &cases[1].metadata),
        (&None, &Metadata::default())
    );
}

#[test]
fn wrong_tables_are_refused_with_their_line() {
    assert!(refusal("case_id,pet\na,p.nii\n").contains("line 1: there is no column ct"));
    assert!(refusal("case_id;pet;ct\na;p.nii;c.nii\n").contains("parted by commas"));
    assert!(
        refusal("case_id,pet,ct\na,p.nii,c.nii\nb,gone.nii,c.nii\n")
            .contains("line 3: there is no file")
    );
    assert!(
        refusal("case_id,pet,ct\na,p.nii,c.nii\na,p.nii,c.nii\n")
            .contains("line 3: case a is already on line 2")
    );
    assert!(refusal("case_id,pet,ct\n,p.nii,c.nii\n").contains("line 2: case_id is empty"));
    assert!(refusal("case_id,pet,ct\na,,c.nii\n").contains("line 2: case a has no pet"));
    assert!(refusal("case_id,pet,ct\na,p.nii,p.nii\n").contains("same file"));
    assert!(refusal("case_id,pet,ct,age\na,p.nii,c.nii,old\n").contains("age \"old\""));
    assert!(refusal("case_id,pet,ct,stage\na,p.nii,c.nii,late\n").contains("stage \"late\""));
    assert!(refusal("case_id,pet,ct,fold\na,p.nii,c.nii,-1\n").contains("fold \"-1\""));
    assert!(refusal("case_id,pet,ct\na,p.nii\n").contains("line 2"));
    assert!(refusal("case_id,pet,ct\n").contains("holds no cases"));
}

#[test]
fn a_table_that_is_no_text_is_refused_with_its_line() {
    let folder = folder_of(&["p.nii", "c.nii"]);
    let path = folder.path().join("cases.csv");
    fs::write(&path, b"case_id,pet,ct\na,p.nii,c.nii\n\xff,p.nii,c.nii\n").unwrap();
    let message = find_cases(&path).unwrap_err().to_string();
    assert!(message.contains("line 3"), "{message}");
}

#[test]
fn what_is_no_source_says_what_was_looked_for() {
    let folder = folder_of(&["image.nii"]);
    for path in [
        folder.path().to_path_buf(),
        folder.path().join("image.nii"),
        folder.path().join("nothing"),
    ] {
        let message = find_cases(&path).unwrap_err().to_string();
        assert!(
            message.contains("looked for a CSV file of cases"),
            "{message}"
        );
    }
    let empty = folder_of(&["imagesTr/notes.txt"]);
    assert!(matches!(
        find_cases(empty.path()),
        Err(DataSetError::Empty { .. })
    ));
}

const FDG: &str = "fdg_3b1c9155f5_01-31-2003-NA-PET-CT Ganzkoerper  primaer mit KM-94971";
const PSMA: &str = "psma_95b833d46f153cd2_2018-04-16";

/// The files of one AutoPET case without label.
fn pair(case_id: &str) -> [String; 2] {
    [
        format!("imagesTr/{case_id}_0000.nii.gz"),
        format!("imagesTr/{case_id}_0001.nii.gz"),
    ]
}

#[test]
fn autopet_folder_joins_images_labels_and_both_tables() {
    let names = [pair(FDG), pair(PSMA)].concat();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    let label = format!("labelsTr/{PSMA}.nii.gz");
    names.extend([label.as_str(), "imagesTr/.phantom-x1", "dataset.json"]);
    let folder = folder_of(&names);
    let fdg = "Series UID,subject_id,Modality,File Location,Diagnosis,Age,Sex\n\
               1,PETCT_3b1c9155f5,CT,./FDG-PET-CT-Lesions/PETCT_3b1c9155f5/01-31-2003-NA-PET-CT Ganzkoerper  primaer mit KM-94971/3.0-CT-1,NEGATIVE,,M\n\
               2,PETCT_3b1c9155f5,PT,./FDG-PET-CT-Lesions/PETCT_3b1c9155f5/01-31-2003-NA-PET-CT Ganzkoerper  primaer mit KM-94971/4.0-PT-1,NEGATIVE,071Y,M\n";
    fs::write(folder.path().join("fdg_metadata.csv"), fdg).unwrap();
    let psma = "Subject ID,Study Date,age,manufacturer_model_name,pet_radionuclide,ct_contrast_agent\n\
                PSMA_95b833d46f153cd2,2018-04-16,66,Biograph,68Ga,yes\n";
    fs::write(folder.path().join("psma_metadata.csv"), psma).unwrap();
    let cases = find_cases(folder.path()).unwrap();
    assert_eq!(
        cases
            .iter()
            .map(|case| case.case_id.as_str())
            .collect::<Vec<_>>(),
        [FDG, PSMA]
    );
    assert_eq!(cases[0].ct.path(), folder.path().join(names[0]));
    assert_eq!(cases[0].pet.path(), folder.path().join(names[1]));
    assert_eq!(
        (&cases[0].label, &cases[1].label),
        (&None, &Some(folder.path().join(&label).into()))
    );
    let sentences = cases
        .iter()
        .map(|case| case.metadata.sentence(true))
        .collect::<Vec<_>>();
    assert_eq!(
        sentences[0],
        "A whole-body 18F-FDG PET scan of a 71-year-old male patient without avid lesions."
    );
    assert_eq!(
        sentences[1],
        "A whole-body 68Ga-PSMA PET scan of a 66-year-old male patient with prostate carcinoma."
    );
}

#[test]
fn without_tables_the_case_id_tells_the_tracer() {
    let names = [pair(FDG), pair(PSMA)].concat();
    let folder = folder_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let cases = find_cases(folder.path()).unwrap();
    assert_eq!(cases[0].metadata.tracer.as_deref(), Some("18F-FDG"));
    assert_eq!(cases[1].metadata.tracer.as_deref(), Some("PSMA"));
}

#[test]
fn half_a_pair_is_a_case_that_says_what_it_lacks() {
    for (kept, lacking) in [(0, "_0001.nii.gz"), (1, "_0000.nii.gz")] {
        let folder = folder_of(&[&pair(FDG)[kept]]);
        let cases = find_cases(folder.path()).unwrap();
        let fault = cases[0].fault.clone().unwrap();
        assert!(fault.contains(FDG) && fault.contains(lacking), "{fault}");
    }
}

#[test]
fn folds_are_those_of_nnu_net_and_columns_that_are_not_kept_are_named() {
    let names = [pair(FDG), pair(PSMA)].concat();
    let folder = folder_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "splits_final.json",
        &format!(
            r#"[{{"train": ["{FDG}"], "val": ["{PSMA}"]}}, {{"train": ["{PSMA}"], "val": ["{FDG}"]}}]"#
        ),
    );
    write(
        "psma_metadata.csv",
        "Subject ID,Study Date,age,manufacturer_model_name,pet_radionuclide\n",
    );
    let found = survey(folder.path(), Layout::Auto).unwrap();
    let folds: Vec<_> = found.cases.iter().map(|case| case.fold).collect();
    assert_eq!(
        (found.layout, folds),
        (Layout::AutoPet, vec![Some(1), Some(0)])
    );
    assert_eq!(
        found.dropped_columns,
        ["Study Date", "Subject ID", "manufacturer_model_name"]
    );
    write("splits_final.json", "[{}]");
    let message = find_cases(folder.path()).unwrap_err().to_string();
    assert!(message.contains("list of splits"), "{message}");
}

#[test]
fn a_layout_that_is_not_there_says_what_was_looked_for_and_found() {
    let autopet = folder_of(&["imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz"]);
    let tcia = folder_of(&["PETCT_1/s/SUV.nii.gz", "PETCT_1/s/CTres.nii.gz"]);
    let table = folder_of(&["p.nii", "c.nii"]);
    let sheet = table.path().join("cases.csv");
    fs::write(&sheet, "case_id,pet,ct\na,p.nii,c.nii\n").unwrap();
    let there = [
        (autopet.path(), Layout::AutoPet),
        (tcia.path(), Layout::Tcia),
        (&sheet, Layout::Table),
    ];
    for (path, layout) in there {
        for asked in [Layout::Auto, layout] {
            assert_eq!(survey(path, asked).unwrap().layout, layout);
        }
        for (name, other) in Layout::NAMES {
            if [Layout::Auto, layout].contains(&other) {
                continue;
            }
            let message = survey(path, other).unwrap_err().to_string();
            let words = [
                &format!("not in the layout {name}; looked for "),
                ", found ",
            ];
            assert!(
                words.iter().all(|word| message.contains(*word)),
                "{message}"
            );
        }
    }
    let message = survey(tcia.path(), Layout::AutoPet)
        .unwrap_err()
        .to_string();
    assert!(message.ends_with("found PETCT_1"), "{message}");
    assert!(
        "nifti"
            .parse::<Layout>()
            .unwrap_err()
            .to_string()
            .contains("autopet")
    );
}

#[test]
fn real_table_of_fdg_metadata_joins_every_study() {
    let table = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/metadata/fdg_metadata.csv"
    ));
    let Ok(text) = fs::read_to_string(&table) else {
        std::io::Write::write_all(
            &mut std::io::stderr(),
            b"skipped: this clone has no real metadata\n",
        )
        .unwrap();
        return;
    };
    let case_id = "fdg_0011f3deaf_03-23-2003-NA-PET-CT Ganzkoerper  primaer mit KM-10445";
    let names = pair(case_id);
    let folder = folder_of(&[&names[0], &names[1]]);
    fs::write(folder.path().join("fdg_metadata.csv"), text).unwrap();
    let cases = find_cases(folder.path()).unwrap();
    let sentence = "A whole-body 18F-FDG PET scan of a 63-year-old female patient with melanoma.";
    assert_eq!(cases[0].metadata.sentence(true), sentence);
}

const TCIA: &str =
    "FDG-PET-CT-Lesions/PETCT_0011f3deaf/03-23-2003-NA-PET-CT Ganzkoerper  primaer mit KM-10445";

#[test]
fn tcia_folders_are_cases_with_labels_and_clinical_data() {
    let names = ["SUV", "CTres", "CT", "SEG"].map(|name| format!("{TCIA}/{name}.nii.gz"));
    let folder = folder_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let table = "Subject ID,Modality,File Location,diagnosis,age,sex\n\
                 PETCT_0011f3deaf,PT,./FDG-PET-CT-Lesions/PETCT_0011f3deaf/03-23-2003-NA-PET-CT Ganzkoerper  primaer mit KM-10445/PT,MELANOMA,063Y,F\n";
    fs::write(
        folder
            .path()
            .join("Clinical Metadata FDG PET_CT Lesions.csv"),
        table,
    )
    .unwrap();
    let cases = find_cases(folder.path()).unwrap();
    assert_eq!(cases.len(), 1);
    let study = folder.path().join(TCIA);
    assert_eq!(
        cases[0].case_id,
        "fdg_0011f3deaf_03-23-2003-NA-PET-CT Ganzkoerper  primaer mit KM-10445"
    );
    assert_eq!(
        [cases[0].pet.path(), cases[0].ct.path()],
        [study.join("SUV.nii.gz"), study.join("CTres.nii.gz")]
    );
    assert_eq!(cases[0].label, Some(study.join("SEG.nii.gz").into()));
    let sentence = "A whole-body 18F-FDG PET scan of a 63-year-old female patient with melanoma.";
    assert_eq!(cases[0].metadata.sentence(true), sentence);
    fs::remove_file(study.join("CTres.nii.gz")).unwrap();
    let inner = find_cases(&folder.path().join("FDG-PET-CT-Lesions")).unwrap();
    assert_eq!(inner[0].ct.path(), study.join("CT.nii.gz"));
    fs::remove_file(study.join("CT.nii.gz")).unwrap();
    let fault = find_cases(folder.path()).unwrap()[0].fault.clone().unwrap();
    assert!(
        fault.contains("neither CTres.nii.gz nor CT.nii.gz"),
        "{fault}"
    );
}

#[test]
fn a_table_may_name_folders_of_dicom() {
    let folder = folder_of(&["pt/1.dcm", "ct/1.dcm"]);
    let cases = table_in(folder.path(), "case_id,pet,ct\na,pt,ct\n").unwrap();
    assert_eq!(cases[0].pet.path(), folder.path().join("pt"));
}
