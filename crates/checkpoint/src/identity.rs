//! Which run is at a place.

use fratmae_store::Location;
use serde::Deserialize;

use crate::error::{CheckpointError, damaged};

/// The object that makes a folder a run, created once by its first coordinator.
pub const RUN_FILE: &str = "config.json";

#[derive(Deserialize)]
struct Identity {
    run_id: String,
}

/// Reads what tells the run at a place from any other; none if no coordinator has created it.
///
/// # Errors
/// [`CheckpointError::Damaged`] if it cannot be read; failures of the store as they are.
pub async fn run_id(run: &Location) -> Result<Option<String>, CheckpointError> {
    let Some(bytes) = run.get_if_present(RUN_FILE).await? else {
        return Ok(None);
    };
    let identity: Result<Identity, _> = serde_json::from_slice(&bytes);
    let identity = identity.map_err(|error| damaged(run.url_of(RUN_FILE), error))?;
    Ok(Some(identity.run_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::FaultyStore;

    #[tokio::test]
    async fn a_run_is_known_by_its_first_object_and_rubbish_is_damage() {
        let (_, run) = FaultyStore::new();
        assert_eq!(run_id(&run).await.unwrap(), None);
        run.put(RUN_FILE, r#"{"run_id": "r", "cases": 1}"#)
            .await
            .unwrap();
        assert_eq!(run_id(&run).await.unwrap().as_deref(), Some("r"));
        run.put(RUN_FILE, "{}").await.unwrap();
        assert!(run_id(&run).await.unwrap_err().is_damage());
    }
}
