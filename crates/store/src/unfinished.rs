//! What a killed writer leaves on a file system: the file that it had not renamed yet, and folders that are empty.
//! Owns their finding and deleting; other stores show nothing of an upload that did not end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Location, StoreError};

impl Location {
    /// Deletes unfinished files and empty folders below `prefix` that nobody has written to for `age`.
    ///
    /// Only on this machine's file system; elsewhere there is nothing to delete. A living writer's folder is empty as well
    /// until its first file is there, so the age must be far longer than that takes.
    ///
    /// # Errors
    /// [`StoreError::Other`] with what the file system said.
    pub async fn sweep_unfinished(&self, prefix: &str, age: Duration) -> Result<(), StoreError> {
        if !self.is_local() {
            return Ok(());
        }
        let path = self.local_path(prefix);
        let sweeping = tokio::task::spawn_blocking(move || sweep_folder(&path, age));
        let swept = sweeping
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        swept.map_err(|error| StoreError::Other {
            url: self.url_of(prefix),
            reason: error.to_string(),
        })
    }

    /// Deletes the folder of `prefix` if it is empty; nobody may be about to write into it.
    ///
    /// Only on this machine's file system; elsewhere folders are but parts of names.
    pub async fn remove_empty_folder(&self, prefix: &str) {
        if self.is_local() {
            let path = self.local_path(prefix);
            let removing = tokio::task::spawn_blocking(move || fs::remove_dir(path));
            // It is not empty, or not there: both are as they should be.
            let _ = removing.await;
        }
    }

    /// Where an object or a folder lies, on this machine's file system.
    pub(crate) fn local_path(&self, relative: &str) -> PathBuf {
        PathBuf::from(format!("/{}", self.path(relative).as_ref()))
    }
}

fn sweep_folder(folder: &Path, age: Duration) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            let is_old = is_old(&entry, age);
            sweep_folder(&path, age)?;
            if is_old {
                // It is not empty, or just gone: both are as they should be.
                let _ = fs::remove_dir(&path);
            }
        } else if is_unfinished(&path) && is_old(&entry, age) {
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

/// `NAME#NUMBER` is what the client calls a file until it is whole, and never shows.
fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.as_deref()
        .and_then(|name| name.rsplit_once('#'))
        .is_some_and(|(_, number)| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// A file whose age is unknown is taken for a young one.
fn is_old(entry: &fs::DirEntry, age: Duration) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|time| time.elapsed().is_ok_and(|elapsed| elapsed >= age))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn swept(age: Duration) -> (tempfile::TempDir, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let root = Location::open(folder.path().to_str().unwrap()).unwrap();
        root.put("a/b/kept", "x").await.unwrap();
        fs::write(folder.path().join("a/b/kept#2"), "half").unwrap();
        fs::create_dir_all(folder.path().join("a/empty")).unwrap();
        root.sweep_unfinished("a", age).await.unwrap();
        let mut names: Vec<_> = ["a/b/kept", "a/b/kept#2", "a/empty", "a/b"]
            .into_iter()
            .filter(|name| folder.path().join(name).exists())
            .map(str::to_owned)
            .collect();
        names.sort();
        (folder, names)
    }

    #[tokio::test]
    async fn old_unfinished_files_and_empty_folders_go_and_all_else_stays() {
        let (_folder, left) = swept(Duration::ZERO).await;
        assert_eq!(left, ["a/b", "a/b/kept"]);
    }

    #[tokio::test]
    async fn what_a_living_writer_has_begun_stays() {
        let (_folder, left) = swept(Duration::from_secs(3600)).await;
        assert_eq!(left, ["a/b", "a/b/kept", "a/b/kept#2", "a/empty"]);
    }

    #[tokio::test]
    async fn only_an_empty_folder_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let root = Location::open(folder.path().to_str().unwrap()).unwrap();
        root.put("a/b/kept", "x").await.unwrap();
        root.remove_empty_folder("a/b").await;
        assert!(folder.path().join("a/b/kept").exists());
        root.delete("a/b/kept").await.unwrap();
        root.remove_empty_folder("a/b").await;
        assert!(!folder.path().join("a/b").exists());
    }

    #[tokio::test]
    async fn nothing_there_is_nothing_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let root = Location::open(folder.path().join("no").to_str().unwrap()).unwrap();
        root.sweep_unfinished("a", Duration::ZERO).await.unwrap();
    }

    #[test]
    fn only_a_number_after_the_mark_is_unfinished() {
        for (name, expected) in [("a#1", true), ("a#", false), ("a#x", false), ("a1", false)] {
            assert_eq!(is_unfinished(Path::new(name)), expected, "{name}");
        }
    }
}
