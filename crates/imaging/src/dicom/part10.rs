//! Owns the outside of a DICOM file: preamble, meta information, and how the data set within is encoded.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::DeflateDecoder;

use super::codes::{EXPLICIT, Syntax, TRANSFER_SYNTAX};
use super::stream::{Elements, Extent};
use crate::ImageError;

/// Where the mark of a DICOM file stands.
const MARK_AT: usize = 128;
const MARK: &[u8] = b"DICM";
/// The header of one slice is mostly shorter than the first, nearly always than the second.
const USUAL_HEADERS: [u64; 2] = [1 << 13, 1 << 17];
/// No deflated data set may grow beyond this.
const LARGEST_INFLATED: u64 = 1 << 30;

/// A DICOM file in memory.
pub(super) struct DicomFile {
    pub(super) bytes: Vec<u8>,
}

impl DicomFile {
    /// Reads a whole file.
    pub(super) fn open(path: &Path) -> Result<Self, ImageError> {
        let bytes = std::fs::read(path).map_err(|source| unreadable(path, source))?;
        Ok(Self { bytes })
    }

    /// Runs `interpret` on the elements of the file and its encoding.
    pub(super) fn interpret<T>(
        &self,
        extent: Extent,
        interpret: impl FnOnce(&Elements<'_>, Syntax) -> Result<T, String>,
    ) -> Result<T, String> {
        let (syntax, at) = self.syntax()?;
        let rest = &self.bytes[at..];
        let body = if syntax.deflated {
            Cow::Owned(inflate(rest)?)
        } else {
            Cow::Borrowed(rest)
        };
        interpret(&Elements::read(&body, syntax, extent)?, syntax)
    }

    /// Reads the meta information; gives also where it ends.
    fn syntax(&self) -> Result<(Syntax, usize), String> {
        if !has_mark(&self.bytes) {
            return Err("it is no DICOM file: the mark DICM is not at byte 128".to_owned());
        }
        let start = MARK_AT + MARK.len();
        let end = end_of_meta(&self.bytes, start)?;
        let meta = Elements::read(&self.bytes[start..end], EXPLICIT, Extent::Whole)?;
        let uid = meta
            .text(TRANSFER_SYNTAX)
            .ok_or_else(|| format!("its header has no transfer syntax {TRANSFER_SYNTAX}"))?;
        let is_of_uid = |letter: &char| letter.is_ascii_digit() || *letter == '.';
        let plain: String = uid.chars().filter(is_of_uid).take(64).collect();
        let syntax = Syntax::of(&uid).ok_or_else(|| {
            format!("transfer syntax {plain} is not supported: decompress it first (dcmdjpeg, gdcmconv --raw)")
        })?;
        Ok((syntax, end))
    }
}

/// Runs `interpret` on the header of a file, of which little more than that is read.
pub(super) fn interpret_header<T>(
    path: &Path,
    interpret: impl Fn(&Elements<'_>, Syntax) -> Result<T, String>,
) -> Result<T, ImageError> {
    let io = |source| unreadable(path, source);
    let mut file = File::open(path).map_err(io)?;
    let mut start = DicomFile { bytes: Vec::new() };
    // A part that happens to end between two elements looks whole: only one that reaches the pixels is.
    let whole = |data: &Elements<'_>, syntax| match data.ends_at_pixels() {
        true => interpret(data, syntax),
        false => Err("its header goes on".to_owned()),
    };
    for most in USUAL_HEADERS {
        let more = most - start.bytes.len() as u64;
        let mut part = file.by_ref().take(more);
        part.read_to_end(&mut start.bytes).map_err(io)?;
        if let Ok(found) = start.interpret(Extent::Header, whole) {
            return Ok(found);
        }
    }
    if has_mark(&start.bytes) {
        file.read_to_end(&mut start.bytes).map_err(io)?;
    }
    start
        .interpret(Extent::Header, &interpret)
        .map_err(|reason| ImageError::Unusable {
            path: path.to_path_buf(),
            reason,
        })
}

/// Says whether a file bears the mark of DICOM; one that cannot be read does not. A pipe or a device is not opened: that
/// may never end.
pub(crate) fn is_dicom(path: &Path) -> bool {
    if !path.is_file() {
        return false;
    }
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(132).read_to_end(&mut start));
    read.is_ok() && has_mark(&start)
}

fn has_mark(bytes: &[u8]) -> bool {
    bytes.get(MARK_AT..MARK_AT + MARK.len()) == Some(MARK)
}

/// Finds where group 0002 ends, by walking: the length it claims is often wrong.
fn end_of_meta(bytes: &[u8], start: usize) -> Result<usize, String> {
    let mut at = start;
    while let Some(&[2, 0, _, _, a, b, low, high]) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let long = bytes.get(at + 8..).and_then(<[u8]>::first_chunk::<4>);
        at = match (&[a, b], long) {
            (b"OB" | b"UN" | b"UT", Some(&length)) => {
                at.saturating_add(12 + u32::from_le_bytes(length) as usize)
            }
            _ => at + 8 + usize::from(u16::from_le_bytes([low, high])),
        };
    }
    if at > bytes.len() {
        return Err("truncated: it ends within its meta information".to_owned());
    }
    Ok(at)
}

fn inflate(packed: &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let read = DeflateDecoder::new(packed)
        .take(LARGEST_INFLATED)
        .read_to_end(&mut body);
    match read {
        Ok(_) => Ok(body),
        Err(error) => Err(format!("damaged: {error}")),
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> ImageError {
    ImageError::Io {
        action: "read",
        path: path.to_path_buf(),
        source,
    }
}
