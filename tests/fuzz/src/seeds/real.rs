//! Seeds that lie beside the project where it is developed: real images and tables, small or cut down. None is kept in
//! the tree.

use std::path::Path;

use super::Seed;
use super::dicom::{header, packed};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
/// Larger files are no seeds: what slows each run finds less. Of NIfTI, as few bytes as that hold all there is to find.
const LARGEST: u64 = 45_000;
const LARGEST_NIFTI: usize = 4096;
const LARGEST_PACKED: usize = 256;
/// Lines that are taken of a table.
const LINES: usize = 20;
/// The element of encapsulated pixels, in explicit VR.
const PIXELS: &[u8] = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff";
/// What the names of the compressed transfer syntaxes start with.
const COMPRESSED: [&[u8]; 2] = [b"1.2.840.10008.1.2.4.", b"1.2.840.10008.1.2.5"];

pub(super) fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    collect(Path::new(FOLDER), &mut seeds);
    seeds
}

fn collect(folder: &Path, seeds: &mut Vec<Seed>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, seeds);
        } else if path.metadata().is_ok_and(|found| found.len() <= LARGEST) {
            let bytes = std::fs::read(&path).unwrap_or_default();
            seeds.extend(of_file(&path, bytes));
        }
    }
}

fn of_file(path: &Path, bytes: Vec<u8>) -> Vec<Seed> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let name = format!("{}-{name}", folder.to_string_lossy());
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("nii") if bytes.len() > LARGEST_NIFTI => Vec::new(),
        Some("gz") if bytes.len() > LARGEST_PACKED => Vec::new(),
        Some("nii") => vec![Seed::new("nifti", name, bytes)],
        Some("gz") => vec![Seed::new("gzip", name, bytes)],
        Some("csv") => {
            let lines: Vec<&[u8]> = bytes
                .split_inclusive(|&byte| byte == b'\n')
                .take(LINES)
                .collect();
            vec![Seed::new("tables", name, lines.concat())]
        }
        Some("dcm") => {
            let ct = as_ct(&bytes).map(|ct| Seed::new("dicom", format!("ct-{name}"), ct));
            ct.into_iter()
                .chain([Seed::new("dicom", name, bytes)])
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Puts the compressed pixels of a file, whatever they show, behind the header of a CT of the size that most of them have.
fn as_ct(bytes: &[u8]) -> Option<Vec<u8>> {
    let position = |bytes: &[u8]| bytes.windows(PIXELS.len()).position(|part| part == PIXELS);
    let pixels = &bytes[position(bytes)?..];
    let mut texts = bytes.windows(22);
    let syntax = texts.find(|text| COMPRESSED.iter().any(|start| text.starts_with(start)))?;
    let syntax: String = syntax.iter().map(|&byte| char::from(byte)).collect();
    let end = syntax.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let ct = packed(
        &header("CT", 0, 64),
        &syntax[..end.unwrap_or(syntax.len())],
        &[],
    );
    Some([&ct[..position(&ct)?], pixels].concat())
}
