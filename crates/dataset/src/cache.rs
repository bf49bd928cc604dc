//! Owns the cache of remote shards on a local disk: blocks of their bytes, shared by the processes of one machine.
//!
//! Nothing here is needed and nothing is trusted: a block counts only with the digest it was written with, and whatever
//! goes wrong is a miss. Which bytes are wanted, and whether they are the right voxels, is decided elsewhere.
//!
//! Blocks of this data set are never thrown out for each other: every epoch reads every case once, so whichever stay
//! are as useful as any others, and throwing out the oldest would throw out what comes next. Other data sets' make room.

mod blocks;
mod folder;

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use nix::fcntl::OFlag;

use crate::DataSetError;
pub(crate) use blocks::Shard;
use folder::UNFINISHED;

/// Bytes of a block: a stack at the paper's size needs five or six, and 32 GiB are no more files than a folder bears.
pub(crate) const BLOCK: u64 = 1 << 20;

/// Bytes of the digest that ends a file.
const DIGEST: usize = 32;

/// Keeps blocks of one data set's shards on disk.
#[derive(Debug)]
pub struct Cache {
    /// Holds a folder for each data set.
    root: PathBuf,
    own: PathBuf,
    bound: u64,
    usage: Mutex<Usage>,
    /// Nothing is taken in any more: the disk failed.
    is_off: AtomicBool,
}

/// How much of the disk is used, as far as is known; a std lock, held over no call to the disk but the rare sweep.
#[derive(Debug, Default)]
struct Usage {
    taken: u64,
    /// Bytes written since the folder was last listed for what others have written.
    since: u64,
    is_full: bool,
}

/// Names a block, and of which writing of its shard it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) shard: u32,
    pub(crate) block: u64,
    /// Digest of the shard's footer: a shard that was prepared anew has other blocks.
    pub(crate) footer: [u8; DIGEST],
}

impl Cache {
    /// Opens a folder as the cache of the data set of a digest; it may take `mib` MiB. None where the folder cannot be
    /// used, which is said in one warning.
    ///
    /// # Errors
    /// [`DataSetError::Options`] for a folder in memory: what lies there is taken from the training itself.
    pub fn open(folder: &Path, mib: u64, data_digest: &str) -> Result<Option<Self>, DataSetError> {
        let made = fs::create_dir_all(folder);
        if made.is_ok() && folder::is_in_memory(folder) {
            let reason = format!(
                "data.cache_dir = {:?} lies in memory (tmpfs): name a folder on a disk",
                folder.display().to_string()
            );
            return Err(DataSetError::Options { reason });
        }
        let opened = made.and_then(|()| Self::on_disk(folder, mib << 20, data_digest));
        Ok(opened.inspect_err(|error| warn_of(folder, error)).ok())
    }

    fn on_disk(folder: &Path, bound: u64, data_digest: &str) -> io::Result<Self> {
        let root = folder.join("fratmae-blocks-1");
        let name: String = data_digest
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let own = root.join(if name.is_empty() { "unnamed" } else { &name });
        for path in [&root, &own] {
            fs::create_dir_all(path)?;
            folder::require_folder(path)?;
        }
        let cache = Self {
            root,
            own,
            bound,
            usage: Mutex::default(),
            is_off: AtomicBool::new(false),
        };
        let taken = cache.sweep(cache.bound, true)?;
        cache.lock().taken = taken;
        Ok(cache)
    }

    fn path(&self, key: Key) -> PathBuf {
        self.own.join(format!("{:05}-{:06}", key.shard, key.block))
    }

    /// Reads a block if it is there and whole; what is not whole is removed.
    pub(crate) fn get(&self, key: Key) -> Option<Bytes> {
        let path = self.path(key);
        let mut bytes = Vec::new();
        let file = open_block(&path).ok()?;
        file.take(BLOCK + DIGEST as u64 + 1)
            .read_to_end(&mut bytes)
            .ok()?;
        let length = bytes.len().checked_sub(DIGEST);
        let is_whole =
            length.is_some_and(|length| bytes[length..] == digest(key, &bytes[..length]));
        if !is_whole {
            // Another process may have removed it.
            let _ = fs::remove_file(&path);
            return None;
        }
        bytes.truncate(length?);
        Some(Bytes::from(bytes))
    }

    /// Takes a block in if there is room. A disk that fails ends the taking in, with one warning.
    pub(crate) fn put(&self, key: Key, bytes: &[u8]) {
        let size = (bytes.len() + DIGEST) as u64;
        if self.is_off.load(Ordering::Relaxed) {
            return;
        }
        let written = match self.has_room(size) {
            Ok(true) => self.write(key, bytes),
            Ok(false) => return,
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => {
                let mut usage = self.lock();
                (usage.taken, usage.since) = (usage.taken + size, usage.since + size);
            }
            Err(error) if !self.is_off.swap(true, Ordering::Relaxed) => warn_of(&self.root, &error),
            Err(_) => {}
        }
    }

    /// Writes beside and renames, so that a reader never sees half a block; what a kill leaves is swept later.
    ///
    /// Names are random: processes in two containers may have one number and share a folder.
    fn write(&self, key: Key, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(&self.own)?;
        file.write_all(bytes)?;
        file.write_all(&digest(key, bytes))?;
        file.persist(self.path(key))?;
        Ok(())
    }

    /// Says whether so many bytes more stay within the bound, after making room if need be.
    ///
    /// An eighth of the bound is left for what up to eight workers write between two looks at the disk.
    fn has_room(&self, size: u64) -> io::Result<bool> {
        let limit = self.bound - self.bound / 8;
        let mut usage = self.lock();
        if usage.is_full {
            return Ok(false);
        }
        if usage.since >= self.bound / 64 || usage.taken + size > limit {
            usage.taken = self.sweep(limit.saturating_sub(size), false)?;
            usage.since = 0;
            usage.is_full = usage.taken + size > limit;
        }
        Ok(!usage.is_full)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a block without following a link or waiting for the other end of a pipe.
fn open_block(path: &Path) -> io::Result<fs::File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut options = fs::File::options();
    options.read(true).custom_flags(flags.bits()).open(path)
}

fn warn_of(folder: &Path, error: &io::Error) {
    tracing::warn!(folder = %folder.display(), %error, "the cache takes nothing more in: reading goes on without it");
}

/// The digest of a block and its name, so that a file under another's name is no block.
fn digest(key: Key, bytes: &[u8]) -> [u8; DIGEST] {
    let mut digest = blake3::Hasher::new_derive_key("fratmae cache block");
    digest.update(&key.shard.to_le_bytes());
    digest.update(&key.block.to_le_bytes());
    digest.update(&key.footer);
    digest.update(bytes);
    *digest.finalize().as_bytes()
}

#[cfg(test)]
pub(crate) mod tests;
