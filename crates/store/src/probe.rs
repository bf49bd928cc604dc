//! The check of a store before a run leans on it: reachable, writable, honours create-if-absent.
//! Owns the probe object, which is gone when the probe returns.

use std::hash::{BuildHasher, Hasher, RandomState};

use bytes::Bytes;

use crate::{Created, Location, StoreError};

impl Location {
    /// Checks that this root can be reached and listed, without writing.
    ///
    /// # Errors
    /// What is in the way, in one line, within 15 seconds.
    pub async fn probe_read(&self) -> Result<(), StoreError> {
        self.list_folders("").await.map(drop)
    }

    /// Checks that this root can be reached and written, and that a second create of one object is refused.
    ///
    /// # Errors
    /// What is in the way, in one line, within 15 seconds; [`StoreError::IgnoresCondition`] for a store that
    /// overwrites what it was asked to create only if absent.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.probe_read().await?;
        let name = probe_name();
        let first = self.create(&name, Bytes::from_static(b"first")).await?;
        let verdict = match first {
            // Ours: the answer to a first try was lost.
            Created::New | Created::Ours => self.create_again(&name).await,
            Created::Taken => Err(self.ignores("a fresh object was said to be there")),
        };
        let cleaned = self.delete(&name).await;
        verdict.and(cleaned)
    }

    async fn create_again(&self, name: &str) -> Result<(), StoreError> {
        match self.create(name, Bytes::from_static(b"second")).await? {
            Created::Taken => Ok(()),
            Created::New | Created::Ours => Err(self.ignores("a second create replaced the first")),
        }
    }

    fn ignores(&self, reason: &str) -> StoreError {
        StoreError::IgnoresCondition {
            url: self.url().to_owned(),
            reason: reason.to_owned(),
        }
    }
}

/// Unlike any other probe's, on this host or another; nothing that is kept depends on it.
pub(crate) fn probe_name() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!(".probe-{}-{random:016x}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::tests::{Oddity, odd};

    #[tokio::test]
    async fn sound_store_passes_and_is_left_clean() {
        let folder = tempfile::tempdir().unwrap();
        let root = Location::open(&folder.path().join("run").to_string_lossy()).unwrap();
        root.probe().await.unwrap();
        assert_eq!(root.list("").await.unwrap(), []);
    }

    #[tokio::test]
    async fn store_that_ignores_the_condition_is_refused() {
        let root = odd(Oddity::IgnoresCreate);
        let error = root.probe().await.unwrap_err();
        assert!(
            matches!(error, StoreError::IgnoresCondition { .. }),
            "{error}"
        );
        assert_eq!(root.list("").await.unwrap(), []);
    }

    #[tokio::test]
    async fn file_in_the_way_is_one_clear_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let root = Location::open(&file.path().join("run").to_string_lossy()).unwrap();
        let message = root.probe().await.unwrap_err().to_string();
        assert!(message.contains(root.url()), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}
