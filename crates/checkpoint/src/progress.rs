//! How far a run is and who leads it, on its store between checkpoints.
//!
//! The object is written again and again. Nothing is decided by what it says: that it changes shows that a coordinator
//! lives where none can be asked, and the address in it is where to look for one first.

use bytes::Bytes;
use fratmae_store::Location;
use serde::{Deserialize, Serialize};

use crate::error::CheckpointError;

const OBJECT: &str = "progress.json";

/// What a coordinator last wrote of its run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The fence of the coordinator.
    pub fence: u64,
    /// Where it is reached; empty in what earlier versions wrote.
    #[serde(default)]
    pub address: String,
    /// Rises each time.
    pub number: u64,
    /// The newest step applied.
    pub step: u64,
    /// Its loss, if known.
    #[serde(default)]
    pub loss: Option<f64>,
    /// When it was written, in microseconds since 1970.
    pub unix_us: u64,
}

impl Progress {
    /// What was written last; none where there is nothing that can be read.
    pub async fn read(run: &Location) -> Option<Self> {
        let bytes = run.get_if_present(OBJECT).await.ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    /// Writes it in the place of what was there.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn write(&self, run: &Location) -> Result<(), CheckpointError> {
        let text = serde_json::to_vec_pretty(self);
        let text = text.map_err(|error| CheckpointError::Unwritable {
            object: OBJECT.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(run.put(OBJECT, Bytes::from(text)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::FaultyStore;

    #[tokio::test]
    async fn what_was_written_last_is_read_and_rubbish_is_none() {
        let (_, run) = FaultyStore::new();
        assert_eq!(Progress::read(&run).await, None);
        let first = Progress {
            fence: 3,
            address: "http://host:1".to_owned(),
            loss: Some(0.5),
            ..Progress::default()
        };
        let second = Progress {
            number: 2,
            ..first.clone()
        };
        for progress in [&first, &second] {
            progress.write(&run).await.unwrap();
        }
        assert_eq!(Progress::read(&run).await, Some(second));
        let old = r#"{"fence": 1, "number": 2, "step": 3, "unix_us": 4}"#;
        run.put(OBJECT, old).await.unwrap();
        assert_eq!(Progress::read(&run).await.unwrap().address, "");
        run.put(OBJECT, "{").await.unwrap();
        assert_eq!(Progress::read(&run).await, None);
    }
}
