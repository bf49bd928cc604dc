//! The operations on objects below a [`Location`]: read, replace, create if absent, list, delete.
//! Owns their deadlines and what a create that finds something means; retries are the client's.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutMode};

use crate::address::Kind;
use crate::{Location, StoreError};

/// Longest wait for an answer that carries no data. With [`SLOWEST_LINK`], the user hears of a silent store in time.
const ANSWER: Duration = Duration::from_secs(10);

/// Bytes per second below which a transfer counts as stuck.
const SLOWEST_LINK: u64 = 1 << 20;

/// How a create went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The object was not there and is now.
    New,
    /// The object was there with exactly these bytes: an earlier create of ours whose answer was lost.
    Ours,
    /// The object was there with other bytes and was left alone.
    Taken,
}

/// An object found by a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name relative to the location that was listed.
    pub relative: String,
    /// The size in bytes.
    pub size: u64,
}

impl Location {
    /// Reads a whole object.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if nothing is there; any other failure of the store as it is.
    pub async fn get(&self, relative: &str) -> Result<Bytes, StoreError> {
        let path = self.path(relative);
        let get = self.store.get_opts(&path, GetOptions::default());
        let found = self.within(0, relative, get).await?;
        let size = found.meta.size;
        self.within(size, relative, found.bytes()).await
    }

    /// Reads a whole object, or says that nothing is there.
    ///
    /// # Errors
    /// As [`Self::get`], save that a missing object is no error.
    pub async fn get_if_present(&self, relative: &str) -> Result<Option<Bytes>, StoreError> {
        match self.get(relative).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes an object, replacing what was there; a reader sees the old bytes or the new ones, never a mixture.
    ///
    /// # Errors
    /// Any failure of the store; the object is then as before or already replaced.
    pub async fn put(&self, relative: &str, bytes: Bytes) -> Result<(), StoreError> {
        let path = self.path(relative);
        let size = bytes.len() as u64;
        let put = self.store.put(&path, bytes.into());
        self.within(size, relative, put).await.map(drop)
    }

    /// Writes an object only if nothing is there. Safe to repeat with the same bytes.
    ///
    /// # Errors
    /// Any failure of the store. After [`StoreError::Unreachable`] the object may be there or not: repeat the call.
    pub async fn create(&self, relative: &str, bytes: Bytes) -> Result<Created, StoreError> {
        let path = self.path(relative);
        let size = bytes.len() as u64;
        let put = self
            .store
            .put_opts(&path, bytes.clone().into(), PutMode::Create.into());
        match self.deadline(size, put).await {
            Some(Ok(_)) => Ok(Created::New),
            Some(Err(object_store::Error::AlreadyExists { .. })) => {
                self.compare(relative, &bytes).await
            }
            Some(Err(error)) => Err(self.explain(relative, &error)),
            None => Err(self.silent(relative)),
        }
    }

    /// Lists all objects below `prefix`, sorted by name; nothing there is an empty list.
    ///
    /// # Errors
    /// Any failure of the store.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Entry>, StoreError> {
        let path = self.path(prefix);
        let mut pages = self.store.list(Some(&path)).ready_chunks(1000);
        let mut entries = Vec::new();
        loop {
            let page = async { Ok(pages.next().await) };
            let Some(page) = self.within(0, prefix, page).await? else {
                break;
            };
            for object in page {
                let object = object.map_err(|error| self.explain(prefix, &error))?;
                entries.extend(self.relative(&object.location).map(|relative| Entry {
                    relative,
                    size: object.size,
                }));
            }
        }
        entries.sort_by(|a, b| a.relative.cmp(&b.relative));
        Ok(entries)
    }

    /// Lists the names of the folders directly below `prefix`, sorted.
    ///
    /// # Errors
    /// Any failure of the store.
    pub async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let path = self.path(prefix);
        let list = self.store.list_with_delimiter(Some(&path));
        let found = self.within(0, prefix, list).await?;
        let mut names: Vec<String> = found
            .common_prefixes
            .iter()
            .filter_map(|folder| folder.filename().map(str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Deletes an object; one that is not there counts as deleted.
    ///
    /// # Errors
    /// Any failure of the store.
    pub async fn delete(&self, relative: &str) -> Result<(), StoreError> {
        let path = self.path(relative);
        match self.within(0, relative, self.store.delete(&path)).await {
            Err(StoreError::NotFound { .. }) => Ok(()),
            result => result,
        }
    }

    async fn compare(&self, relative: &str, ours: &Bytes) -> Result<Created, StoreError> {
        match self.get_if_present(relative).await? {
            Some(theirs) if theirs == *ours => Ok(Created::Ours),
            Some(_) => Ok(Created::Taken),
            None => Err(StoreError::Other {
                url: self.url_of(relative),
                reason: "it was there and vanished; something deletes objects of a live run"
                    .to_owned(),
            }),
        }
    }

    /// Awaits an operation that moves `bytes`, and words its failure.
    pub(crate) async fn within<T>(
        &self,
        bytes: u64,
        relative: &str,
        operation: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, StoreError> {
        match self.deadline(bytes, operation).await {
            Some(result) => result.map_err(|error| self.explain(relative, &error)),
            None => Err(self.silent(relative)),
        }
    }

    /// A local disk may be slow but is not silent: only what goes over a network has a deadline.
    async fn deadline<T>(&self, bytes: u64, operation: impl Future<Output = T>) -> Option<T> {
        if matches!(self.kind, Kind::Local | Kind::Given) {
            return Some(operation.await);
        }
        let limit = ANSWER + Duration::from_secs(bytes / SLOWEST_LINK);
        tokio::time::timeout(limit, operation).await.ok()
    }

    fn silent(&self, relative: &str) -> StoreError {
        self.unreachable(self.url_of(relative), "it does not answer".to_owned())
    }
}

#[cfg(test)]
pub(crate) mod tests;
