//! Owns where the bytes of an input are put: a folder that each thread uses again and again, or a store in memory.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use fratmae_store::Location;
use object_store::memory::InMemory;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Calls `work` with an empty folder.
pub(crate) fn in_folder(work: impl FnOnce(&Path)) {
    thread_local! {
        static ROOT: OnceCell<TempDir> = const { OnceCell::new() };
    }
    ROOT.with(|root| {
        let root = root.get_or_init(|| tempfile::tempdir().expect("the system gives a folder"));
        let folder = root.path().join("input");
        std::fs::create_dir(&folder).expect("the folder is ours");
        work(&folder);
        std::fs::remove_dir_all(&folder).expect("the folder is ours");
    });
}

/// Writes a file, and the folders on the way to it.
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    let parent = path.parent().expect("a file lies in a folder");
    std::fs::create_dir_all(parent).expect("the folder is ours");
    std::fs::write(&path, bytes).expect("the folder is ours");
    path
}

/// Makes an empty store in memory.
pub(crate) fn store() -> Location {
    Location::over(Arc::new(InMemory::new()), "", "memory:///")
}

/// Puts an object into a store in memory.
pub(crate) async fn put(store: &Location, name: &str, bytes: &[u8]) {
    let put = store.put(name, Bytes::copy_from_slice(bytes)).await;
    put.expect("memory takes every object");
}

/// The runtime of all targets.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all();
        builder.build().expect("the system gives threads")
    })
}
