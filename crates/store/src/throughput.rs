//! How fast a store takes bytes and gives them back.
//! Owns the object that it measures with, which is gone when the measurement returns.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::probe::probe_name;
use crate::{Location, StoreError};

/// What one object took on its way to a store and back, over one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throughput {
    /// The size of the object.
    pub bytes: u64,
    /// How long it took to write, until the store had it.
    pub write: Duration,
    /// How long it took to read.
    pub read: Duration,
}

impl Location {
    /// Writes an object of so many bytes that no store can compress, reads it back, and deletes it.
    ///
    /// # Errors
    /// Any failure of the store, and [`StoreError::Other`] for one that gives other bytes back.
    pub async fn measure(&self, bytes: usize) -> Result<Throughput, StoreError> {
        let (name, sent) = (probe_name(), noise(bytes));
        let measured = self.there_and_back(&name, sent).await;
        let cleaned = self.delete(&name).await;
        measured.and_then(|throughput| cleaned.map(|()| throughput))
    }

    async fn there_and_back(&self, name: &str, sent: Bytes) -> Result<Throughput, StoreError> {
        let started = Instant::now();
        self.put(name, sent.clone()).await?;
        let write = started.elapsed();
        let started = Instant::now();
        let brought = self.get_at_most(name, sent.len() as u64).await?;
        let read = started.elapsed();
        if brought != sent {
            return Err(StoreError::Other {
                url: self.url_of(name),
                reason: "it gave other bytes back than were written".to_owned(),
            });
        }
        let bytes = sent.len() as u64;
        Ok(Throughput { bytes, write, read })
    }
}

/// Bytes without a pattern, other ones each time.
fn noise(bytes: usize) -> Bytes {
    let mut noise = vec![0; bytes];
    fastrand::fill(&mut noise);
    noise.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_store_is_measured_and_left_clean() {
        let folder = tempfile::tempdir().unwrap();
        let root = Location::open(&folder.path().join("run").to_string_lossy()).unwrap();
        let measured = root.measure(100_001).await.unwrap();
        assert_eq!(measured.bytes, 100_001);
        assert!(measured.write > Duration::ZERO && measured.read > Duration::ZERO);
        assert_eq!(root.list("").await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_written_is_one_clear_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let root = Location::open(&file.path().join("run").to_string_lossy()).unwrap();
        let message = root.measure(10).await.unwrap_err().to_string();
        assert!(message.contains(root.url()), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }

    #[test]
    fn noise_has_no_pattern_and_is_never_the_same() {
        assert_ne!(noise(64), noise(64));
        let mut counts = [0; 256];
        noise(256 * 100)
            .iter()
            .for_each(|byte| counts[usize::from(*byte)] += 1);
        assert!(
            counts.iter().all(|count| (40..200).contains(count)),
            "{counts:?}"
        );
    }
}
