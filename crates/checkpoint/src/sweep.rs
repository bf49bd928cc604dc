//! Deleting on the store what a [`Collector`](crate::Collector) has given up.
//! Owns the order of the deletions; decides nothing. Everything may be repeated, and broken off at any point.

use std::collections::BTreeSet;

use fratmae_control::Generation;
use fratmae_store::Location;

use crate::error::CheckpointError;
use crate::layout::{CHECKPOINTS, CheckpointId, CheckpointObjects};

/// What to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Checkpoints whose manifests go.
    pub removed: BTreeSet<CheckpointId>,
    /// Those of them whose parts go as well.
    pub due: BTreeSet<CheckpointId>,
    /// Nobody writes any more in folders of generations before this one: what killed writers left there goes.
    pub over: Generation,
}

/// What was on the store when all was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Every checkpoint, committed or not, of which there is any object.
    pub found: BTreeSet<CheckpointId>,
}

/// Deletes what there is of `work`: every manifest before any part.
///
/// # Errors
/// Failures of the store; what is not deleted then is found by the next sweep.
pub async fn sweep(run: &Location, work: &Work) -> Result<Swept, CheckpointError> {
    let objects = run.list(CHECKPOINTS).await?;
    let names: Vec<_> = objects
        .iter()
        .map(|object| object.relative.as_str())
        .collect();
    let manifests = names
        .iter()
        .filter_map(|name| CheckpointId::of_manifest(name));
    for id in manifests.filter(|id| work.removed.contains(id)) {
        run.delete(&id.manifest()).await?;
    }
    let mut found = BTreeSet::new();
    for name in names {
        match CheckpointId::of_object(name) {
            Some((id, _)) if work.due.contains(&id) => run.delete(name).await?,
            Some((id, _)) => drop(found.insert(id)),
            None => {}
        }
    }
    if run.is_local() {
        let folders = run.list_folders(CHECKPOINTS).await?;
        let folders = folders
            .iter()
            .filter_map(|name| CheckpointId::of_folder(name));
        let is_left = |id: &CheckpointId| id.generation < work.over || work.due.contains(id);
        for id in folders.filter(is_left) {
            run.sweep_unfinished(&id.folder()).await?;
        }
    }
    Ok(Swept { found })
}
