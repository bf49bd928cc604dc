//! Where a command writes its files: on this machine, or on a store by way of a folder that is gone afterwards.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::builder::{OsStringValueParser, TypedValueParser};
use fratmae_config::Config;
use fratmae_store::{Location, StoreError, local_path};
use tempfile::TempDir;

/// What an option `--out` and the like name.
pub(crate) struct Target {
    path: PathBuf,
    remote: Option<(Location, TempDir)>,
}

impl Target {
    /// Takes the path or the address of a file; nothing is written yet.
    ///
    /// # Errors
    /// As [`Self::folder`], or there is no folder for the file.
    pub(crate) fn file(out: &Path) -> Result<Self> {
        let target = Self::folder(out)?;
        require_folder_of(&target.path)?;
        Ok(target)
    }

    /// Takes the path or the address of a folder, which whoever writes to it makes; nothing is written yet.
    ///
    /// # Errors
    /// It is neither, or the system has no place for files on their way to a store.
    pub(crate) fn folder(out: &Path) -> Result<Self> {
        // A name that is no Unicode can only be a path.
        let Some(text) = out.to_str() else {
            return Ok(Self::local(out.to_path_buf()));
        };
        let location = Location::open(text)?;
        if location.is_local() {
            return Ok(Self::local(local_path(text)?));
        }
        let folder = tempfile::tempdir().context("cannot make a folder for temporary files")?;
        // Its ending may say of which kind the file is.
        let name = text.rsplit('/').find(|part| !part.is_empty());
        Ok(Self {
            path: folder.path().join(name.unwrap_or("out")),
            remote: Some((location, folder)),
        })
    }

    fn local(path: PathBuf) -> Self {
        Self { path, remote: None }
    }

    /// Where to write the file, or the files if it is a folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Sends what was written to its store, if that is where it goes.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn finish(self) -> Result<()> {
        let Some((location, _folder)) = self.remote else {
            return Ok(());
        };
        if !self.path.is_dir() {
            location.put("", read(&self.path)?).await?;
            return Ok(());
        }
        let mut files: Vec<PathBuf> = std::fs::read_dir(&self.path)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<_>>()?;
        files.sort();
        for file in files {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            location.put(&name, read(&file)?).await?;
        }
        Ok(())
    }
}

/// Refuses a file whose folder is not there, before the work of making it is done.
///
/// # Errors
/// The folder's name.
pub(crate) fn require_folder_of(file: &Path) -> Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => bail!(
            "cannot write {}: there is no folder {}; make it, or name another file",
            file.display(),
            folder.display()
        ),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads an option that takes a path on this machine alone; `~` is the home folder.
pub(crate) fn here() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(path_here)
}

/// Checks the values of a job that name paths on each worker's machine.
///
/// # Errors
/// The key, and what is wrong with its value.
pub(crate) fn check_paths(config: &Config) -> Result<()> {
    for (key, path) in [
        ("data.cache_dir", &config.data.cache_dir),
        ("data.source", &config.data.source),
        ("workers.preemption_file", &config.workers.preemption_file),
    ] {
        if !path.is_empty() {
            local_path(path).with_context(|| format!("{key} cannot be used"))?;
        }
    }
    Ok(())
}

/// What is there is meant as it was typed, whatever letters its name has.
fn path_here(typed: OsString) -> Result<PathBuf, StoreError> {
    match typed.to_str() {
        Some(text) if text.starts_with('~') || !Path::new(text).exists() => local_path(text),
        _ => Ok(PathBuf::from(typed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_path_is_written_where_it_is_and_home_is_found() {
        let target = Target::folder(Path::new("a/b")).unwrap();
        assert_eq!(target.path(), Path::new("a/b"));
        target.finish().await.unwrap();
        let target = Target::folder(Path::new("~/b")).unwrap();
        assert!(target.path().is_absolute());
        assert!(Target::folder(Path::new("s3:/b/x")).is_err());
    }

    #[test]
    fn a_file_needs_a_folder_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        Target::file(Path::new("b.png")).unwrap();
        Target::file(&folder.path().join("b.png")).unwrap();
        let refused = Target::file(&folder.path().join("a/b.png")).err().unwrap();
        let line = refused.to_string();
        assert!(line.contains("/a; make it, or name another file"), "{line}");
    }

    #[test]
    fn the_ending_is_kept_on_the_way_to_a_store() {
        let target = Target::file(Path::new("s3://bucket/a/pet.nii.gz")).unwrap();
        assert!(target.path().ends_with("pet.nii.gz"));
    }

    #[test]
    fn a_job_names_paths_where_they_are_needed() {
        let mut config = Config::default();
        check_paths(&config).unwrap();
        config.data.cache_dir = "~/cache".to_owned();
        check_paths(&config).unwrap();
        config.data.cache_dir = "s3://bucket/cache".to_owned();
        let line = format!("{:#}", check_paths(&config).unwrap_err());
        assert!(
            line.contains("data.cache_dir") && line.contains("on this machine"),
            "{line}"
        );
    }

    #[test]
    fn a_path_is_needed_here() {
        let refused = path_here("s3://bucket/x".into()).unwrap_err().to_string();
        assert!(refused.contains("on this machine"), "{refused}");
        assert!(path_here("~/x".into()).unwrap().is_absolute());
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("a\\b ");
        path_here(odd.clone().into()).unwrap_err();
        std::fs::write(&odd, "").unwrap();
        assert_eq!(path_here(odd.clone().into()).unwrap(), odd);
    }
}
