//! Owns what of a folder counts: its visible entries, and those files that no case was made of, so that nothing goes
//! missing unsaid.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::CaseSource;
use super::fault::{Remark, counted};
use crate::PrepareError;

/// How deep folders are looked into.
const DEEPEST: usize = 12;

/// Says whether a name is none of a data set's: hidden files, as macOS leaves `._` ones beside each file, and what
/// systems put into folders.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || ["Thumbs.db", "desktop.ini", "DICOMDIR"].contains(&name)
}

/// Lists a folder by name, but for hidden entries.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, PrepareError> {
    let io = |source| PrepareError::Io {
        action: "list",
        path: folder.to_path_buf(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        if !is_hidden(&entry.file_name().to_string_lossy()) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Counts the files below a folder that are no image of a case, by their ending; `is_known` says which files are read
/// for something else, or left out on purpose.
pub(super) fn leftovers(
    root: &Path,
    cases: &[CaseSource],
    is_known: &dyn Fn(&Path) -> bool,
) -> Vec<Remark> {
    let used: BTreeSet<&Path> = cases.iter().flat_map(CaseSource::files).collect();
    let mut files = Vec::new();
    walk(root, DEEPEST, &mut BTreeSet::new(), &mut files);
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        if !used.contains(file.as_path()) && !is_known(&file) {
            let within = file.strip_prefix(root).unwrap_or(&file);
            let names = groups.entry(ending(&file)).or_default();
            names.push(within.display().to_string());
        }
    }
    let remark = |(ending, names): (String, Vec<String>)| {
        Remark::about(names, |count| {
            format!("{} {ending} of no case", counted(count, "file", "files"))
        })
    };
    groups.into_iter().filter_map(remark).collect()
}

/// Says how a file's name ends, in words.
fn ending(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default();
    let Some(name) = name.to_str() else {
        return "with a name that is not UTF-8".to_owned();
    };
    let name = name.to_lowercase();
    let packed = name.strip_suffix(".gz").unwrap_or(&name);
    let is_word = |ending: &&str| {
        ending.len() <= 6 && ending.starts_with(|letter: char| letter.is_ascii_alphabetic())
    };
    match packed
        .rsplit_once('.')
        .map(|(_, ending)| ending)
        .filter(is_word)
    {
        Some(ending) => format!("ending in .{ending}{}", &name[packed.len()..]),
        None => "without a known ending".to_owned(),
    }
}

/// Lists the files below a folder, each folder once however many links lead to it; what cannot be listed is none.
fn walk(folder: &Path, depth: usize, seen: &mut BTreeSet<PathBuf>, files: &mut Vec<PathBuf>) {
    let is_new = folder.canonicalize().is_ok_and(|real| seen.insert(real));
    let Some(entries) = is_new.then(|| std::fs::read_dir(folder).ok()).flatten() else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if is_hidden(&name) {
            continue;
        }
        if path.is_file() {
            files.push(path);
        } else if let Some(depth) = depth.checked_sub(1).filter(|_| path.is_dir()) {
            walk(&path, depth, seen, files);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_case_uses_is_counted_by_its_ending() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("deep/er")).unwrap();
        for name in [
            "pet.nii.gz",
            "ct.nii.gz",
            "x.NII.GZ",
            "deep/er/y.nii.gz",
            "a.mha",
            "1.2.840.1",
            "._pet.nii.gz",
            ".DS_Store",
            "known.csv",
        ] {
            std::fs::write(root.join(name), b"").unwrap();
        }
        // Loops, which must not be followed for ever nor count twice.
        std::os::unix::fs::symlink("..", root.join("deep/up")).unwrap();
        let case = CaseSource::new("a", root.join("pet.nii.gz"), root.join("ct.nii.gz"));
        let found = leftovers(root, &[case], &|file| file.ends_with("known.csv"));
        let texts: Vec<&str> = found.iter().map(|remark| remark.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "1 file ending in .mha of no case",
                "2 files ending in .nii.gz of no case",
                "1 file without a known ending of no case"
            ]
        );
        assert_eq!(found[1].names, ["deep/er/y.nii.gz", "x.NII.GZ"]);
    }
}
