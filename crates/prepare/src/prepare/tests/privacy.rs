//! What a data set may not hold: names of patients, of their folders and files, and dates.

use super::*;
use crate::source::{Layout, survey};
use crate::test_files::Made;

/// Stands for whatever must stay outside.
const SECRET: &str = "Geheimrat";
const PLAIN: &str = "1.2.840.10008.1.2.1";

/// One slice of a series of which every text a header may hold is secret.
fn slice(modality: &str, units: &str, height: u32) -> Vec<u8> {
    let drug = Made::default()
        .text(0x18, 0x31, &format!("FDG {SECRET}"))
        .text(0x18, 0x1072, "100000")
        .text(0x18, 0x1074, "300000000")
        .text(0x18, 0x1075, "6586");
    Made::default()
        .text(0x08, 0x08, "ORIGINAL\\PRIMARY")
        .text(0x08, 0x21, "20190203")
        .text(0x08, 0x22, "20190203")
        .text(0x08, 0x31, "110000")
        .text(0x08, 0x32, "110000")
        .text(0x08, 0x60, modality)
        .text(0x08, 0x80, SECRET)
        .text(0x08, 0x1030, SECRET)
        .text(0x10, 0x10, SECRET)
        .text(0x10, 0x20, SECRET)
        .text(0x10, 0x30, "19470203")
        .text(0x10, 0x40, "M")
        .text(0x10, 0x1010, "072Y")
        .text(0x10, 0x1030, "80")
        .text(0x18, 0x50, "4")
        .text(0x20, 0x0D, &format!("1.2.{SECRET}"))
        .text(0x20, 0x0E, &format!("1.2.{modality}"))
        .text(0x20, 0x32, &format!("0\\0\\{height}"))
        .text(0x20, 0x37, "1\\0\\0\\0\\1\\0")
        .text(0x20, 0x52, "1.2.9")
        .short(0x28, 0x10, 4)
        .short(0x28, 0x11, 4)
        .text(0x28, 0x30, "4\\4")
        .text(0x28, 0x51, "DECY\\ATTN")
        .short(0x28, 0x100, 16)
        .short(0x28, 0x101, 16)
        .short(0x28, 0x102, 15)
        .short(0x28, 0x103, 0)
        .text(0x28, 0x1052, "0")
        .text(0x28, 0x1053, "1")
        .items(0x54, 0x16, &[drug])
        .text(0x54, 0x1001, units)
        .text(0x54, 0x1102, "START")
        .put(0x7FE0, 0x10, "OW", &[7; 32])
        .file(PLAIN)
}

/// A tree with one sound study and one whose PET has units that are none.
fn tree() -> TempDir {
    let root = TempDir::new().unwrap();
    for (study, units) in [("good", "BQML"), ("bad", "PROPCPS")] {
        let folder = root.path().join(format!("{SECRET}_1947/{study}"));
        fs::create_dir_all(&folder).unwrap();
        for (modality, height) in [("PT", 0), ("PT", 4), ("CT", 0), ("CT", 4)] {
            let mut bytes = slice(modality, units, height);
            if study == "bad" {
                // Another study, for its UID is another.
                let at = bytes.windows(6).position(|six| six == b"1.2.Ge").unwrap();
                bytes[at] = b'2';
            }
            let name = format!("{SECRET}-{modality}-{height}");
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
    root
}

#[tokio::test]
async fn no_name_path_or_date_enters_a_data_set() {
    let root = tree();
    let bench = Bench::new(0);
    let found = survey(root.path(), Layout::Auto).unwrap();
    let mut calls = Vec::new();
    let options = PrepareOptions {
        skip_bad: true,
        ..OPTIONS
    };
    let out = bench.out("out");
    let report = prepare(found, &out, &options, &mut |done| calls.push(done)).await;
    let report = report.unwrap();
    assert_eq!((report.prepared, report.skipped.len()), (1, 1));
    let reason = &report.skipped[0].reason;
    assert!(
        reason.starts_with("the PET: no SUV: Units (0054,1001) are"),
        "{reason}"
    );
    // Who works with the files is told which.
    let is_told = |done: &PrepareProgress| format!("{:?}", done.outcome).contains(SECRET);
    assert!(calls.iter().any(is_told), "{calls:?}");
    let files = bench.files("out").await;
    assert_eq!(files.len(), 4, "{:?}", files.keys());
    for (name, bytes) in files {
        for secret in [
            SECRET,
            "_1947",
            "19470203",
            "20190203",
            &*root.path().to_string_lossy(),
        ] {
            let mut parts = bytes.windows(secret.len());
            assert!(
                !parts.any(|part| part == secret.as_bytes()),
                "{secret} in {name}"
            );
        }
    }
}
