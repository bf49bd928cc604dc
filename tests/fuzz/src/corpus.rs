//! Owns the inputs that are kept: named ones as files in `corpus/TARGET`, those that only add coverage in one archive.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::seeds::{Seed, seeds};
use crate::target::TARGETS;

const NAMED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");
/// Its entries are `TARGET/NAME`.
const ARCHIVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus.tar.zst");
const COMPRESSION: i32 = 19;

/// Reads every input that is kept.
///
/// # Errors
/// A file that cannot be read, or an input of no target.
pub fn kept() -> io::Result<Vec<Seed>> {
    let mut inputs = inputs_below(Path::new(NAMED))?;
    let mut archive = tar::Archive::new(zstd::Decoder::new(File::open(ARCHIVE)?)?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        inputs.push(input(&path, bytes)?);
    }
    Ok(inputs)
}

/// Writes the seeds and the kept inputs below a folder, each in the folder of its target.
///
/// # Errors
/// As [`kept`], or a file that cannot be written.
pub fn unpack(folder: &Path) -> io::Result<()> {
    for input in seeds().into_iter().chain(kept()?) {
        let folder = folder.join(input.target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(input.name), input.bytes)?;
    }
    Ok(())
}

/// Makes the archive anew of the inputs below a folder, but for seeds and named inputs; the same bytes for the same
/// inputs.
///
/// # Errors
/// A file that cannot be read or written, or a folder that is no target's.
pub fn pack(folder: &Path) -> io::Result<()> {
    let mut known: BTreeSet<(&str, Vec<u8>)> = seeds()
        .into_iter()
        .chain(inputs_below(Path::new(NAMED))?)
        .map(|input| (input.target, input.bytes))
        .collect();
    let compressed = zstd::Encoder::new(Vec::new(), COMPRESSION)?;
    let mut archive = tar::Builder::new(compressed);
    for Seed {
        target,
        name,
        bytes,
    } in inputs_below(folder)?
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        let path = Path::new(target).join(name);
        if known.insert((target, bytes.clone())) {
            archive.append_data(&mut header, path, &bytes[..])?;
        }
    }
    std::fs::write(ARCHIVE, archive.into_inner()?.finish()?)
}

/// Reads `TARGET/NAME` below a folder, in the order of names.
fn inputs_below(folder: &Path) -> io::Result<Vec<Seed>> {
    let mut inputs = Vec::new();
    for folder in sorted(folder)? {
        for path in sorted(&folder)? {
            inputs.push(input(&path, std::fs::read(&path)?)?);
        }
    }
    Ok(inputs)
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths: io::Result<BTreeSet<_>> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect();
    Ok(paths?.into_iter().collect())
}

/// The input whose path ends in `TARGET/NAME`.
fn input(path: &Path, bytes: Vec<u8>) -> io::Result<Seed> {
    let folder = path.parent().and_then(Path::file_name);
    let target = TARGETS
        .iter()
        .find(|target| folder == Some(target.name.as_ref()));
    match (target, path.file_name()) {
        (Some(target), Some(name)) => Ok(Seed::new(target.name, name.to_string_lossy(), bytes)),
        _ => Err(io::Error::other(format!(
            "{} is no target's input",
            path.display()
        ))),
    }
}
