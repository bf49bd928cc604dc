//! Owns the proofs that DICOM series are read as other programs read them, and that all else is refused with its reason.

mod hostile;
mod made;
mod real;
mod segmentations;
mod unusual;

use std::path::Path;

use super::part10::DicomFile;
use super::stream::Extent;
use super::*;

/// The reason why a series is refused, which is one line.
fn refusal(path: &Path) -> String {
    match read_dicom(path).unwrap_err() {
        ImageError::Unusable { reason, .. } => {
            assert!(!reason.contains('\n'), "{reason}");
            reason
        }
        error => panic!("{error:?}"),
    }
}

/// Where the real images are, if this clone has them.
fn shared(name: &str) -> Option<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let path = Path::new(folder).join(name);
    if !path.exists() {
        let line = b"skipped: this clone has no real images\n";
        std::io::Write::write_all(&mut std::io::stderr(), line).unwrap();
        return None;
    }
    Some(path)
}

/// The stored pixels of a file, whatever its modality.
fn pixels(bytes: Vec<u8>) -> Result<Vec<i32>, String> {
    DicomFile { bytes }.interpret(Extent::Whole, |data, syntax| {
        pixels::PixelForm::of(data, syntax)?.read(data, 0, 1)
    })
}

fn suv_of(content: Content) -> Option<SuvScale> {
    match content {
        Content::Pet(suv) => Some(suv),
        Content::Ct | Content::Mask => None,
    }
}
