//! What a killed writer leaves on a file system: the file that it had not renamed yet, and a folder that is empty.
//! Owns their finding and deleting; other stores show nothing of an upload that did not end.
//!
//! Whether a writer lives cannot be told by the age of its file: the clocks of this host and of the one that dates files
//! may be hours apart. So the caller must know that nobody writes there any more.

use std::fs;
use std::io;
use std::path::Path;

use nix::unistd::UnlinkatFlags;

use crate::local::{delete, is_unfinished, on_disk};
use crate::{Location, StoreError};

impl Location {
    /// Deletes unfinished files in a folder that nobody writes to any more, and the folder itself if it is empty then.
    ///
    /// Only on this machine's file system; elsewhere there is nothing to delete.
    ///
    /// # Errors
    /// [`StoreError::Other`] with what the file system said, and [`StoreError::Unreachable`] if it says nothing.
    pub async fn sweep_unfinished(&self, folder: &str) -> Result<(), StoreError> {
        if !self.is_local() {
            return Ok(());
        }
        let (root, path) = (on_disk(&self.root), on_disk(&self.path(folder)));
        self.aside(folder, move || sweep_folder(&root, &path)).await
    }

    /// Does on a thread of its own what the file system may never return from.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        relative: &str,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let working = tokio::task::spawn_blocking(work);
        let worked = self.with_stall_timeout(self.retry.stall, working).await;
        let worked = worked.ok_or_else(|| self.silent(relative))?;
        let worked = worked.unwrap_or_else(|error| Err(io::Error::other(error)));
        worked.map_err(|error| StoreError::Other {
            url: self.url_of(relative),
            reason: error.to_string(),
        })
    }
}

fn sweep_folder(root: &Path, folder: &Path) -> io::Result<()> {
    // A link is none of the writer's folders.
    if !fs::symlink_metadata(folder).is_ok_and(|about| about.is_dir()) {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && is_unfinished(&entry.path()) {
            // Gone is gone, whoever removed it.
            let _ = delete(root, &entry.path(), UnlinkatFlags::NoRemoveDir);
        }
    }
    // It is not empty, or just gone: both are as they should be.
    let _ = delete(root, folder, UnlinkatFlags::RemoveDir);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn unfinished_files_and_an_empty_folder_go_and_all_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let root = Location::open(folder.path().to_str().unwrap()).unwrap();
        root.put("a/b/kept", "x").await.unwrap();
        fs::write(folder.path().join("a/b/kept#2"), "half").unwrap();
        fs::create_dir_all(folder.path().join("a/empty")).unwrap();
        fs::create_dir_all(folder.path().join("a/half")).unwrap();
        fs::write(folder.path().join("a/half/part#1"), "half").unwrap();
        let elsewhere = folder.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("x#1"), "theirs").unwrap();
        std::os::unix::fs::symlink(&elsewhere, folder.path().join("a/link")).unwrap();
        for name in ["a/b", "a/empty", "a/half", "a/link", "a/nothing"] {
            root.sweep_unfinished(name).await.unwrap();
        }
        for (name, is_there) in [
            ("a/b/kept", true),
            ("a/b/kept#2", false),
            ("a/empty", false),
            ("a/half", false),
            ("elsewhere/x#1", true),
        ] {
            assert_eq!(folder.path().join(name).exists(), is_there, "{name}");
        }
    }
}
