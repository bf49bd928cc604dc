//! Owns the proofs about finding cases: which tables and folders are understood, and how a wrong one is named.

use std::fs;
use std::path::{Path, PathBuf};

use fratmae_dataset::DataSetError;

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

fn table_in(folder: &Path, text: &str) -> Result<Vec<CaseSource>, PrepareError> {
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
    assert!(refusal("case_id,pet\na,p.nii\n").contains("line 1: column ct is missing"));
    assert!(refusal("case_id;pet;ct\na;p.nii;c.nii\n").contains("separated by commas"));
    assert!(
        refusal("case_id,pet,ct,age,Age\na,p.nii,c.nii,1,2\n")
            .contains("column age is there twice")
    );
    assert!(refusal("case_id,pet,ct\n").contains("holds no cases"));
    assert!(refusal("case_id,pet,ct\n,,\n").contains("holds no cases"));
}

/// The faults of the cases of a table in a folder that holds p.nii and c.nii: what is told of each.
fn faults(text: &str) -> Vec<(String, Option<Fault>)> {
    let folder = folder_of(&["p.nii", "c.nii", "pipe"]);
    let pipe = folder.path().join("fifo");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let cases = table_in(folder.path(), text).unwrap();
    cases
        .into_iter()
        .map(|case| (case.case_id, case.fault))
        .collect()
}

#[test]
fn a_row_that_cannot_be_used_is_a_case_with_a_fault_and_the_others_stay() {
    for (row, words) in [
        ("b,gone.nii,c.nii,,,", "line 3: pet does not exist"),
        ("b,p.nii,gone.nii,,,", "line 3: ct does not exist"),
        (
            "b,fifo,c.nii,,,",
            "line 3: pet is neither a file nor a folder",
        ),
        (
            "b,p.nii,/dev/null,,,",
            "line 3: ct is neither a file nor a folder",
        ),
        ("b,,c.nii,,,", "line 3: pet is missing"),
        ("b,nan,c.nii,,,", "line 3: pet is missing"),
        ("b,p.nii,p.nii,,,", "line 3: pet and ct are the same file"),
        (
            "b,p.nii,c.nii,old,,",
            "line 3: age is not a number of years",
        ),
        (
            "b,p.nii,c.nii,,late,",
            "line 3: stage is not one from 0 to IV",
        ),
        ("b,p.nii,c.nii,,,-1", "line 3: fold is not a whole number"),
        ("b,p.nii,c.nii,,,1.5", "line 3: fold is not a whole number"),
        ("b,p.nii", "line 3: it has 2 fields and the header has 6"),
        ("b,p.nii,c.nii,,,,x", "line 3: it has 7 fields"),
    ] {
        let found = faults(&format!(
            "case_id,pet,ct,age,stage,fold\na,p.nii,c.nii,,,\n{row}\n"
        ));
        assert_eq!(found[0], ("a".to_owned(), None), "{row}");
        let fault = found[1].1.clone().unwrap();
        assert!(
            fault.full.starts_with(&format!("cases.csv {words}")) && fault.kept.starts_with(words),
            "{fault:?}"
        );
        // A field or a path may name a patient.
        for secret in ["gone", "\"old\"", "late", "fifo"] {
            assert!(!fault.kept.contains(secret), "{fault:?}");
        }
    }
    let found = faults("case_id,pet,ct,age\n,gone.nii,c.nii,old\na,p.nii,c.nii,\na,p.nii,c.nii,\n");
    assert_eq!(found[0].0, "a");
    assert_eq!(found[1].0, "a (line 4)");
    assert_eq!(
        found[1].1.clone().unwrap().kept,
        "line 4: the same case_id is on line 3"
    );
    assert_eq!(found[2].0, "line 2");
    let all = found[2].1.clone().unwrap().full;
    for words in ["case_id is missing", "gone.nii", "\"old\""] {
        assert!(all.contains(words), "{all}");
    }
}

#[test]
fn what_tables_write_for_missing_values_is_read_and_empty_rows_are_none() {
    let text = "case_id,pet,ct,label,age,stage,fold,sex,tracer,diagnosis\n\
                a,p.nii,c.nii,nan,nan,NA,0.0,nan,nan,nan\n,,,,,,,,,\n , ,,,,,,,,\n\
                b,p.nii,c.nii,N/A,>89,unknown,NaN,unknown,N/A,unknown\n\
                c,p.nii,c.nii,-,90+,-,2,?,<NA>,NULL,,\n";
    let folder = folder_of(&["p.nii", "c.nii"]);
    let cases = table_in(folder.path(), text).unwrap();
    let folds: Vec<_> = cases.iter().map(|case| case.fold).collect();
    assert_eq!(folds, [Some(0), None, Some(2)]);
    for case in cases {
        assert_eq!((case.fault, case.label), (None, None));
        let sentence = case.metadata.sentence(true);
        assert_eq!(sentence, "A whole-body PET scan of a patient.");
    }
}

#[test]
fn paths_of_windows_and_slips_in_the_names_of_columns_are_understood() {
    let folder = folder_of(&["a/p.nii", "a/c.nii"]);
    let sheet = folder.path().join("cases.csv");
    fs::write(
        &sheet,
        "case_id,pet,ct,agee,weight,sex\na,a\\p.nii,a\\c.nii,3,4,divers\n",
    )
    .unwrap();
    let found = survey(&sheet, Layout::Auto).unwrap();
    assert_eq!(found.cases[0].fault, None);
    assert_eq!(found.dropped_columns, ["agee", "weight"]);
    let texts: Vec<&str> = found
        .remarks
        .iter()
        .map(|remark| remark.text.as_str())
        .collect();
    assert_eq!(
        texts,
        [
            "column \"agee\" is not read: if it is age, rename it",
            "sex is not known in 1 row: only male, female, m and f are read"
        ]
    );
}

#[test]
fn a_case_id_that_steers_a_terminal_is_spelled_out_and_refused() {
    let text =
        "case_id,pet,ct\n\u{1b}[31ma,p.nii,c.nii\nb\u{202e},p.nii,c.nii\n\"c\nd\",p.nii,c.nii\n";
    let found = faults(text);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["\\u{1b}[31ma", "b\\u{202e}", "c\\u{a}d"]);
    for (name, fault) in &found {
        assert!(
            fault.as_ref().unwrap().kept.contains("control characters"),
            "{name}"
        );
    }
}

#[test]
fn a_row_that_is_no_text_is_a_fault_where_it_is_read_and_a_table_in_utf_16_is_refused() {
    let folder = folder_of(&["p.nii", "c.nii"]);
    let path = folder.path().join("cases.csv");
    let text = b"case_id,pet,ct,town\na,p.nii,c.nii,K\xf6ln\n\xff,p.nii,c.nii,\n";
    fs::write(&path, text).unwrap();
    let cases = find_cases(&path).unwrap();
    assert_eq!(cases[0].fault, None);
    let fault = cases[1].fault.clone().unwrap();
    assert!(
        fault.kept.contains("line 3: its case_id is not UTF-8"),
        "{fault:?}"
    );
    fs::write(&path, b"\xff\xfec\0").unwrap();
    let message = find_cases(&path).unwrap_err().to_string();
    assert!(message.contains("UTF-16"), "{message}");
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
    let error = find_cases(empty.path()).unwrap_err();
    assert!(matches!(
        error,
        PrepareError::DataSet(DataSetError::Empty { .. })
    ));
    let message = error.to_string();
    assert!(
        message.contains("imagesTr/*_0000.nii.gz (CT)") && message.contains("imagesTr/notes.txt"),
        "{message}"
    );
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
        let fault = cases[0].fault.clone().unwrap().kept;
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
    let fault = find_cases(folder.path()).unwrap()[0]
        .fault
        .clone()
        .unwrap()
        .kept;
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

/// What is remarked of a folder.
fn remarks(folder: &Path) -> Vec<String> {
    let found = survey(folder, Layout::Auto).unwrap();
    found
        .remarks
        .into_iter()
        .map(|remark| remark.text)
        .collect()
}

#[test]
fn other_endings_of_nifti_are_read_and_other_formats_are_faults() {
    let folder = folder_of(&[
        "imagesTr/a_0000.nii.gz",
        "imagesTr/a_0001.nii",
        "imagesTr/b_0000.NII.GZ",
        "imagesTr/b_0001.Nii",
        "imagesTr/c_0000.nii.gz",
        "imagesTr/c_0001.mha",
        "imagesTr/d_0000.nii",
        "imagesTr/d_0000.nii.gz",
        "imagesTr/d_0001.nii",
        "imagesTr/._a_0000.nii.gz",
        "imagesTr/.DS_Store",
        "imagesTr/e_0002.nii.gz",
        "labelsTr/b.nii",
        "labelsTr/z.nii.gz",
        "labelsTr/._z.nii.gz",
    ]);
    let cases = find_cases(folder.path()).unwrap();
    let names: Vec<&str> = cases.iter().map(|case| case.case_id.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    assert_eq!((&cases[0].fault, &cases[1].fault), (&None, &None));
    assert_eq!(
        cases[1].ct.path(),
        folder.path().join("imagesTr/b_0000.NII.GZ")
    );
    assert_eq!(
        cases[1].label,
        Some(folder.path().join("labelsTr/b.nii").into())
    );
    let fault = |case: usize| cases[case].fault.clone().unwrap().kept;
    assert!(fault(2).contains("its PET is c_0001.mha"), "{}", fault(2));
    assert!(
        fault(3).contains("several CT files, d_0000.nii and d_0000.nii.gz"),
        "{}",
        fault(3)
    );
    // The label of no case, the channel that is none, and the second CT.
    assert_eq!(
        remarks(folder.path()),
        ["3 files ending in .nii.gz of no case"]
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_utf_8_is_a_case_with_a_fault() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = folder_of(&["imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz"]);
    for suffix in ["_0000.nii.gz", "_0001.nii.gz"] {
        let name = [b"b\xff", suffix.as_bytes()].concat();
        let name = std::ffi::OsStr::from_bytes(&name);
        fs::write(folder.path().join("imagesTr").join(name), b"").unwrap();
    }
    let cases = find_cases(folder.path()).unwrap();
    assert_eq!(cases.len(), 2);
    let fault = cases[1].fault.clone().unwrap().kept;
    assert!(fault.contains("not UTF-8"), "{fault}");
}

#[test]
fn rows_and_splits_that_fit_no_case_are_counted() {
    let names = pair(FDG);
    let folder = folder_of(&[&names[0], &names[1]]);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let study = FDG.strip_prefix("fdg_3b1c9155f5_").unwrap();
    let table = format!(
        "Series UID,File Location,diagnosis,age,sex\n\
         1,.\\FDG-PET-CT-Lesions\\PETCT_3b1c9155f5\\{study}\\PET,LYMPHOMA,062Y,F\n\
         2,./FDG-PET-CT-Lesions/PETCT_ffff/1/PET,LYMPHOMA,062Y,F\n3,elsewhere,MELANOMA,,\n"
    );
    write("fdg_metadata.csv", &table);
    write("dataset.json", r#"{"numTraining": 5}"#);
    write("splits_final.json", r#"[{"train": [], "val": ["other"]}]"#);
    let found = survey(folder.path(), Layout::Auto).unwrap();
    let sentence = "A whole-body 18F-FDG PET scan of a 62-year-old female patient with lymphoma.";
    assert_eq!(found.cases[0].metadata.sentence(true), sentence);
    assert_eq!(
        remarks(folder.path()),
        [
            "fdg_metadata.csv: 2 of 3 rows belong to no case here",
            "splits_final.json names 1 case that is not here",
            "1 case is in no split of splits_final.json",
            "dataset.json promises 5 cases and 1 are here: was the copy cut short?"
        ]
    );
}

#[test]
fn a_tcia_study_without_its_suv_or_ct_is_a_case_with_a_fault() {
    let folder = folder_of(&[
        "PETCT_1/s1/SUV.nii.gz",
        "PETCT_1/s1/CTres.nii.gz",
        "PETCT_1/s1/PET.nii.gz",
        "PETCT_1/s1/._SUV.nii.gz",
        "PETCT_2/s1/PET.nii.gz",
        "PETCT_2/s1/CTres.nii.gz",
        "PETCT_3/s1/SUV.NII",
        "PETCT_3/s1/ct.txt",
        "PETCT_4/notes.txt",
    ]);
    let cases = find_cases(folder.path()).unwrap();
    let faults: Vec<Option<String>> = cases
        .iter()
        .map(|case| case.fault.clone().map(|fault| fault.kept))
        .collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        faults,
        [
            None,
            text("it has no SUV.nii.gz, only the PET.nii.gz in Bq/ml: was its conversion stopped?"),
            text("it has neither CTres.nii.gz nor CT.nii.gz")
        ]
    );
    assert_eq!(
        remarks(folder.path()),
        [
            "2 files ending in .txt of no case",
            "1 of the folders PETCT_* hold no folder of a study"
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_link_to_a_parent_and_a_study_that_is_there_twice_do_not_stop_the_others() {
    let study = |root: &str| ["SUV", "CTres"].map(|name| format!("{root}PETCT_1/s1/{name}.nii.gz"));
    let names = [study(""), study("again/")].concat();
    let folder = folder_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    std::os::unix::fs::symlink(".", folder.path().join("loop")).unwrap();
    std::os::unix::fs::symlink("..", folder.path().join("again/up")).unwrap();
    let cases = find_cases(folder.path()).unwrap();
    let names: Vec<&str> = cases.iter().map(|case| case.case_id.as_str()).collect();
    assert_eq!(names, ["fdg_1_s1", "fdg_1_s1 (2)"]);
    assert_eq!(cases[0].fault, None);
    let fault = cases[1].fault.clone().unwrap().kept;
    assert_eq!(fault, "fdg_1_s1 is there 2 times: the first is used");
}
