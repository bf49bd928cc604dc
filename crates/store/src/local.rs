//! The file system of this machine as a store: only files are objects, and no folder that is a link is gone into.
//! Owns what of a path is looked at before it is used; files are read and written by the client beneath.
//!
//! Whoever may write into a run's folder must not come to delete or overwrite what only its coordinator may: so nothing
//! is listed, written or deleted beyond a link below the root. Files are read through links, as a data set's may lie
//! elsewhere. The root itself is the user's and may lead anywhere.

mod walk;

use std::fs::{self, FileType};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path as FilePath, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use walk::Walk;
pub(crate) use walk::is_unfinished;

/// What is there is no file, in words.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotAFile(pub(crate) &'static str);

/// The files below a root.
#[derive(Debug)]
pub(crate) struct LocalStore {
    files: LocalFileSystem,
    root: PathBuf,
}

impl LocalStore {
    /// Writes are synced, so that what was acknowledged outlives a power cut as it would on a remote store.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            files: LocalFileSystem::new().with_fsync(true),
            root,
        }
    }

    /// Makes sure that the folders in which an object is to be written are none of them links.
    async fn require_own_folders(&self, location: &Path) -> Result<()> {
        let (root, path) = (self.root.clone(), on_disk(location));
        aside(move || match open_folder(&root, parent(&path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            opened => opened.map(drop),
        })
        .await
    }
}

impl std::fmt::Display for LocalStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the files below {}", self.root.display())
    }
}

#[async_trait]
impl ObjectStore for LocalStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.require_own_folders(location).await?;
        self.files.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.require_own_folders(location).await?;
        self.files.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let path = on_disk(location);
        aside(move || require_file(&path)).await?;
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[std::ops::Range<u64>],
    ) -> Result<Vec<Bytes>> {
        let path = on_disk(location);
        aside(move || require_file(&path)).await?;
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let root = self.root.clone();
        let delete = move |location: Path| {
            let (root, path) = (root.clone(), on_disk(&location));
            async move {
                aside(move || delete(&root, &path, UnlinkatFlags::NoRemoveDir)).await?;
                Ok(location)
            }
        };
        locations.and_then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let walk = Walk::new(
            self.root.clone(),
            on_disk(prefix.unwrap_or(&Path::default())),
        );
        let pages = futures::stream::try_unfold(walk, |mut walk| async {
            aside(move || Ok(walk.next_page()?.map(|page| (page, walk)))).await
        });
        let entries = pages.map_ok(|page| futures::stream::iter(page.into_iter().map(Ok)));
        entries.try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let folder = on_disk(prefix.unwrap_or(&Path::default()));
        let walk = Walk::new(self.root.clone(), folder);
        aside(move || walk.only_folder()).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.require_own_folders(to).await?;
        self.files.copy_opts(from, to, options).await
    }
}

/// Where an object lies.
pub(crate) fn on_disk(location: &Path) -> PathBuf {
    PathBuf::from(format!("/{location}"))
}

/// Deletes a file or an empty folder below `root`, which no folder on the way leads out of; a link is deleted itself.
pub(crate) fn delete(root: &FilePath, path: &FilePath, kind: UnlinkatFlags) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = open_folder(root, parent(path))?;
    Ok(unlinkat(&folder, name, kind)?)
}

/// Opens a folder, going from `root` down without following a link.
fn open_folder(root: &FilePath, folder: &FilePath) -> io::Result<OwnedFd> {
    const FOLDER: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_CLOEXEC);
    let Ok(below) = folder.strip_prefix(root) else {
        // The root is a file, and this the folder that it lies in.
        return Ok(open(folder, FOLDER, Mode::empty())?);
    };
    let mut open = open(root, FOLDER, Mode::empty())?;
    for name in below {
        open = openat(&open, name, FOLDER | OFlag::O_NOFOLLOW, Mode::empty())?;
    }
    Ok(open)
}

fn parent(path: &FilePath) -> &FilePath {
    path.parent().unwrap_or(path)
}

/// Opening a pipe waits for a writer for good, and reading some devices never ends.
fn require_file(path: &FilePath) -> io::Result<()> {
    let kind = fs::metadata(path)?.file_type();
    match what_instead_of_a_file(kind) {
        None => Ok(()),
        Some(what) => Err(io::Error::other(NotAFile(what))),
    }
}

fn what_instead_of_a_file(kind: FileType) -> Option<&'static str> {
    if kind.is_file() {
        return None;
    }
    Some(match kind {
        kind if kind.is_dir() => "it is a folder, where a file is needed",
        kind if kind.is_fifo() => "it is a named pipe, where a file is needed",
        kind if kind.is_socket() => "it is a socket, where a file is needed",
        _ => "it is a device, where a file is needed",
    })
}

/// Does what may take long on a thread of its own, if there is a runtime with such threads.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime
            .spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error))),
        Err(_) => work(),
    };
    done.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => object_store::Error::NotFound {
            path: String::new(),
            source: error.into(),
        },
        _ => object_store::Error::Generic {
            store: "local file system",
            source: error.into(),
        },
    })
}

#[cfg(test)]
mod tests;
