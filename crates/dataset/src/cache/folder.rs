//! Owns the look at the cache's folder: what lies there, what goes, and whether it is a disk at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};

use super::Cache;

/// How the name of a file begins that is not written to its end.
pub(super) const UNFINISHED: &str = "unfinished-";

/// After so long nobody is still writing a block.
const ABANDONED: Duration = Duration::from_secs(600);

/// The other file system in memory, which has no name in the library.
const RAMFS_MAGIC: u32 = 0x8584_58f6;

/// A file of the cache.
struct Found {
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
    is_own: bool,
}

impl Cache {
    /// Removes other data sets' blocks, the oldest first, and with `own_too` then this one's, until no more than `limit`
    /// bytes are taken; also what was left unfinished. Returns the bytes that are taken then.
    pub(super) fn sweep(&self, limit: u64, own_too: bool) -> io::Result<u64> {
        let mut found = self.look()?;
        found.sort_unstable_by_key(|file| (file.is_own, file.modified));
        let mut taken: u64 = found.iter().map(|file| file.bytes).sum();
        for file in found {
            if taken <= limit || (file.is_own && !own_too) {
                break;
            }
            // Gone is gone, whoever removed it.
            let _ = fs::remove_file(&file.path);
            taken -= file.bytes;
        }
        Ok(taken)
    }

    fn look(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for folder in fs::read_dir(&self.root)? {
            let folder = folder?;
            // What a link leads to is not the cache's.
            if !folder.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let folder = folder.path();
            // Files and folders of others come and go while this looks.
            let Ok(files) = fs::read_dir(&folder) else {
                continue;
            };
            let now = stamp(&folder);
            let is_own = folder == self.own;
            let files = files.flatten();
            found.extend(files.filter_map(|file| look_at(&file, is_own, now.as_ref().ok())));
        }
        Ok(found)
    }
}

/// The time by the clock that dates the files of a folder, which need not be this host's.
fn stamp(folder: &Path) -> io::Result<SystemTime> {
    let file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(folder)?;
    file.as_file().metadata()?.modified()
}

/// Makes sure that a folder is one, and no link to another.
pub(super) fn require_folder(folder: &Path) -> io::Result<()> {
    match fs::symlink_metadata(folder)?.is_dir() {
        true => Ok(()),
        false => Err(io::Error::other("it is a link, where a folder is needed")),
    }
}

/// Looks at a file; an abandoned one is removed and is none.
fn look_at(file: &fs::DirEntry, is_own: bool, now: Option<&SystemTime>) -> Option<Found> {
    let about = file.metadata().ok()?;
    let modified = about.modified().ok()?;
    let is_unfinished = file.file_name().to_string_lossy().starts_with(UNFINISHED);
    let age = now.and_then(|now| now.duration_since(modified).ok());
    if is_unfinished && age.is_some_and(|age| age > ABANDONED) {
        let _ = fs::remove_file(file.path());
        return None;
    }
    Some(Found {
        path: file.path(),
        bytes: about.len(),
        modified,
        is_own,
    })
}

/// Says whether a folder lies in memory rather than on a disk.
pub(super) fn is_in_memory(folder: &Path) -> bool {
    statfs(folder).is_ok_and(|about| {
        let kind = about.filesystem_type();
        kind == TMPFS_MAGIC || kind == FsType(RAMFS_MAGIC.into())
    })
}
