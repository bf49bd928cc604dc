//! A root on an object store and the names below it.
//! Owns how relative names become paths and addresses; the operations on objects are in `objects` and `probe`.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;

use crate::StoreError;
use crate::address::{Address, Kind};
use crate::environment::Environment;
use crate::open::{Opened, Way, open};
use crate::retry::{Health, RetryPolicy};

/// A root on an object store. Cheap to clone; clones share one client.
#[derive(Clone, Debug)]
pub struct Location {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) kind: Kind,
    pub(crate) way: Way,
    pub(crate) retry: RetryPolicy,
    pub(crate) health: Arc<Health>,
    /// The path that was opened, which is the user's; what lies below it need not be.
    pub(crate) root: Path,
    prefix: Path,
    url: String,
}

impl Location {
    /// Opens a plain path, `file://`, `s3://`, `gs://` or `az://` address; sends nothing and creates nothing yet.
    ///
    /// Credentials, region and endpoint come from the environment as the store's own tools read them. A relative
    /// path is taken from the working directory of this moment, `~` is the home folder; folders are made by the
    /// first write.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] for another scheme, [`StoreError::BadAddress`] for an address or a setting that
    /// cannot be used.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_in(url, &Environment::of_process())
    }

    /// Opens an address with the settings of `environment`.
    pub(crate) fn open_in(url: &str, environment: &Environment) -> Result<Self, StoreError> {
        let address = Address::parse(url, environment)?;
        let Opened { store, way } = open(&address, environment)?;
        Ok(Self {
            store,
            kind: address.kind,
            way,
            retry: RetryPolicy::default(),
            health: Arc::default(),
            root: address.path.clone(),
            prefix: address.path,
            url: address.url,
        })
    }

    /// Puts a root at `prefix` of a ready-made store, called `url` in messages.
    #[must_use]
    pub fn over(store: Arc<dyn ObjectStore>, prefix: &str, url: &str) -> Self {
        Self {
            store,
            kind: Kind::Given,
            way: Way::default(),
            retry: RetryPolicy::default(),
            health: Arc::default(),
            root: Path::from(prefix),
            prefix: Path::from(prefix),
            url: url.trim_end_matches('/').to_owned(),
        }
    }

    /// The address as the user would type it again; absolute for a local path.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address of an object below this root, for messages.
    #[must_use]
    pub fn url_of(&self, relative: &str) -> String {
        match relative.trim_matches('/') {
            "" => self.url.clone(),
            relative => format!("{}/{relative}", self.url.trim_end_matches('/')),
        }
    }

    /// A root further down the same store.
    #[must_use]
    pub fn join(&self, relative: &str) -> Self {
        Self {
            prefix: self.path(relative),
            url: self.url_of(relative),
            ..self.clone()
        }
    }

    /// The full path of an object on [`Self::object_store`].
    #[must_use]
    pub fn path(&self, relative: &str) -> Path {
        relative
            .split('/')
            .filter(|part| !part.is_empty())
            .fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// The client, for readers that bring their own access pattern (ranged reads of Parquet).
    #[must_use]
    pub fn object_store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The proxy that its requests go through and the variable that names it, without a password.
    #[must_use]
    pub fn proxy(&self) -> Option<&str> {
        self.way.proxy.as_deref()
    }

    /// Whether it lies on this machine's file system.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.kind == Kind::Local
    }

    /// The name of `path` relative to this root, if it is below it.
    pub(crate) fn relative(&self, path: &Path) -> Option<String> {
        let parts: Vec<_> = path.prefix_match(&self.prefix)?.collect();
        let names: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
        Some(names.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;

    fn memory(prefix: &str) -> Location {
        Location::over(Arc::new(InMemory::new()), prefix, "mem://x/")
    }

    #[test]
    fn names_below_a_root() {
        let root = memory("a/b");
        assert_eq!(root.path("c/d.json").as_ref(), "a/b/c/d.json");
        assert_eq!(root.url_of("c/d.json"), "mem://x/c/d.json");
        assert_eq!(root.join("c").path("d").as_ref(), "a/b/c/d");
        assert_eq!(root.join("/c/").url(), "mem://x/c");
        assert_eq!(root.join("").url(), "mem://x");
    }

    #[test]
    fn relative_undoes_path() {
        let root = memory("a/b");
        assert_eq!(root.relative(&root.path("c/d")).as_deref(), Some("c/d"));
        assert_eq!(root.relative(&Path::from("a/bc/d")), None);
    }

    #[test]
    fn opening_a_path_makes_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new");
        let root = Location::open(&new.to_string_lossy()).unwrap();
        assert!(!new.exists());
        assert_eq!(root.url(), new.to_string_lossy());
    }

    #[test]
    fn remote_clients_build_without_a_network() {
        let root = Location::open("s3://bucket/runs").unwrap();
        assert_eq!(root.path("x").as_ref(), "runs/x");
    }
}
