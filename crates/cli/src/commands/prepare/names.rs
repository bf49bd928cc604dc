//! Owns where the list of names may be written, and who may read it: its folders may be names of patients.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use fratmae_prepare::Survey;
use fratmae_store::Location;

use crate::commands::target::require_folder_of;

/// How a list of names begins; a file that begins otherwise is somebody else's.
const FIRST: &[u8] = b"case_id,pet,pet_first_file,";

/// Writes which files every case is made of, readable by its owner alone.
///
/// # Errors
/// Where the file would lie in the data set, or would replace another file, or cannot be written.
pub(super) fn write(survey: &Survey, path: &Path, out: &Location) -> Result<()> {
    let place = resolved(path)?;
    if out.is_local() && place.starts_with(resolved(local(out))?) {
        bail!(
            "--names {} lies in the data set at {}, and its folders may be names of patients: give a file elsewhere",
            path.display(),
            out.url()
        );
    }
    match std::fs::read(&place) {
        Ok(there) if !there.starts_with(FIRST) => bail!(
            "--names {} would replace a file that is no list of names: give another name",
            path.display()
        ),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read --names {}", path.display()));
        }
    }
    require_folder_of(&place).context("--names")?;
    write_private(&place, &survey.names()?)
        .with_context(|| format!("cannot write --names {}", path.display()))
}

fn local(out: &Location) -> &Path {
    let url = out.url();
    Path::new(url.strip_prefix("file://").unwrap_or(url))
}

/// Follows the links of the part of a path that is there.
fn resolved(path: &Path) -> std::io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    let mut rest = Vec::new();
    let mut there = absolute.as_path();
    loop {
        if let Ok(found) = there.canonicalize() {
            return Ok(rest.iter().rev().fold(found, |path, name| path.join(name)));
        }
        let (Some(parent), Some(name)) = (there.parent(), there.file_name()) else {
            return Ok(absolute);
        };
        rest.push(name);
        there = parent;
    }
}

/// Puts a file into its place in one step, so that it is never there in part or open to others.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, path));
    written.inspect_err(|_| drop(std::fs::remove_file(&beside)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use fratmae_prepare::{CaseSource, Layout};

    use super::*;

    fn survey() -> Survey {
        Survey {
            layout: Layout::Dicom,
            cases: vec![CaseSource::new("5a564ac74be0", "/a/pet", "/a/ct")],
            dropped_columns: vec![],
            remarks: vec![],
        }
    }

    #[test]
    fn the_list_is_its_owners_alone_and_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let out = Location::open(&folder.path().join("data").display().to_string()).unwrap();
        let path = folder.path().join("names.csv");
        for _ in 0..2 {
            write(&survey(), &path, &out).unwrap();
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains("\n5a564ac74be0,/a/pet,,/a/ct,,\n"), "{text}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn it_lies_in_no_data_set_and_replaces_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(&data, folder.path().join("link")).unwrap();
        let out = Location::open(&data.display().to_string()).unwrap();
        for inside in ["data/names.csv", "link/names.csv", "data/x/../names.csv"] {
            let refusal = write(&survey(), &folder.path().join(inside), &out).unwrap_err();
            assert!(
                refusal.to_string().contains("lies in the data set"),
                "{refusal}"
            );
        }
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);
        let table = folder.path().join("cases.csv");
        std::fs::write(&table, "case_id,pet,ct\n").unwrap();
        let refusal = write(&survey(), &table, &out).unwrap_err();
        assert!(
            refusal.to_string().contains("would replace a file"),
            "{refusal}"
        );
        assert_eq!(std::fs::read_to_string(&table).unwrap(), "case_id,pet,ct\n");
        assert!(write(&survey(), &folder.path().join("none/names.csv"), &out).is_err());
    }
}
