//! The folder of a run that all machines see: its scripts, the logs of its processes, the nodes that were unfit.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::{SlurmError, script};
use crate::{RenderedFile, Spec};

/// How much is shown of one log.
const TAIL: u64 = 64 * 1024;
/// How many lines are shown of each of several.
const LINES: usize = 10;

/// A file of the run.
pub(super) fn path(spec: &Spec, name: &str) -> PathBuf {
    Path::new(&script::folder(spec)).join(name)
}

/// Writes the files that are submitted.
pub(super) fn write(spec: &Spec, files: &[RenderedFile]) -> Result<(), SlurmError> {
    let failed = |path: &Path, source| SlurmError::Write {
        path: path.to_path_buf(),
        source,
    };
    let folder = path(spec, "");
    fs::create_dir_all(&folder).map_err(|source| failed(&folder, source))?;
    for file in files {
        let path = folder.join(&file.name);
        fs::write(&path, &file.text).map_err(|source| failed(&path, source))?;
    }
    Ok(())
}

/// The nodes on which a worker found that they are unfit, each once.
pub(super) fn unfit(spec: &Spec) -> Vec<String> {
    let text = fs::read_to_string(path(spec, script::UNFIT)).unwrap_or_default();
    let mut nodes: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    nodes.retain(|node| !node.is_empty());
    nodes.sort();
    nodes.dedup();
    nodes
}

/// The end of one log, or of all of them.
pub(super) fn logs(spec: &Spec, member: Option<&str>) -> Result<String, SlurmError> {
    let folder = path(spec, "");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".out"))
        .collect();
    names.sort();
    let wanted = member.map(|member| format!("{member}.out"));
    names.retain(|name| wanted.as_ref().is_none_or(|wanted| wanted == name));
    let ends: Vec<String> = names
        .iter()
        .filter_map(|name| Some((name, end(&folder.join(name))?)))
        .map(|(name, text)| match member {
            Some(_) => text,
            None => format!("==> {name} <==\n{}", last_lines(&text)),
        })
        .collect();
    match ends.is_empty() {
        true => Err(SlurmError::NoLog {
            path: folder,
            member: member.unwrap_or("any process").to_owned(),
        }),
        false => Ok(ends.join("\n")),
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(LINES)..].iter();
    last.map(|line| format!("{line}\n")).collect()
}

fn end(path: &Path) -> Option<String> {
    let mut file = fs::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))
        .ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
