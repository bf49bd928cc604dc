//! Which checkpoints a run has, and which is the newest that can be trusted.
//! Owns finding them; checking one is `restore`'s.

use std::collections::BTreeSet;

use fratmae_control::Found;
use fratmae_store::{Location, StoreError};

use crate::error::{CheckpointError, unreadable};
use crate::layout::{CHECKPOINTS, CheckpointId, CheckpointObjects};
use crate::lineage::Lineage;
use crate::manifest::Manifest;
use crate::restore::{Pace, verify_parts};

/// The newest checkpoint that passed every check, and what was passed over on the way to it.
#[derive(Debug)]
pub struct Newest {
    /// The checkpoint to go on from; none if the run has no good one.
    pub manifest: Option<Manifest>,
    /// Newer checkpoints that are damaged, newest first, and how.
    pub damaged: Vec<(CheckpointId, CheckpointError)>,
}

impl Newest {
    /// The same without what is in them.
    #[must_use]
    pub fn found(&self) -> Found {
        Found {
            good: self.manifest.as_ref().map(Manifest::id),
            damaged: self.damaged.iter().map(|(id, _)| *id).collect(),
        }
    }
}

/// Lists the committed checkpoints of a run, oldest first; folders without a manifest are no checkpoints.
///
/// # Errors
/// Failures of the store.
pub async fn list(run: &Location) -> Result<Vec<CheckpointId>, CheckpointError> {
    let objects = run.list(CHECKPOINTS).await?;
    let names = objects.iter().map(|object| object.relative.as_str());
    let mut ids: Vec<_> = names.filter_map(CheckpointId::of_manifest).collect();
    ids.sort();
    Ok(ids)
}

/// Which of a run's checkpoints was committed last. That is not always the last step's: a run that has passed over a
/// damaged checkpoint commits earlier steps again, in a later generation.
#[must_use]
pub fn newest_of(committed: &[CheckpointId]) -> Option<CheckpointId> {
    let by_age = |id: &CheckpointId| (id.generation, id.step);
    committed.iter().copied().max_by_key(by_age)
}

/// Reads a checkpoint's manifest; its parts are not looked at.
///
/// # Errors
/// [`CheckpointError::NotCommitted`] if there is none, [`CheckpointError::Damaged`] if it is not what was written,
/// [`CheckpointError::Newer`] if it is a newer version's.
pub async fn load_manifest(run: &Location, id: CheckpointId) -> Result<Manifest, CheckpointError> {
    let object = run.url_of(&id.manifest());
    match run.get(&id.manifest()).await {
        Ok(bytes) => Manifest::decode(&object, id, &bytes),
        Err(StoreError::NotFound { .. }) => Err(CheckpointError::NotCommitted { object }),
        Err(error) => Err(unreadable(object, error)),
    }
}

/// Finds the newest checkpoint that passes every check, walking back over damaged ones.
///
/// # Errors
/// Failures of the store, and a newer version's checkpoint: neither is damage that an older checkpoint could mend.
pub async fn newest_good(run: &Location) -> Result<Newest, CheckpointError> {
    newest_good_but(run, &Lineage::default(), &BTreeSet::new()).await
}

/// The same without some: those of another job, those that the journal says are removed, whose objects may vanish at any moment, and those
/// that are known to be damaged.
///
/// # Errors
/// As [`newest_good`].
pub async fn newest_good_but(
    run: &Location,
    job: &Lineage,
    others: &BTreeSet<CheckpointId>,
) -> Result<Newest, CheckpointError> {
    let mut damaged = Vec::new();
    let ids = list(run).await?;
    for id in ids.into_iter().rev().filter(|id| !others.contains(id)) {
        match verify_of(run, job, id).await {
            Ok(manifest) => {
                let manifest = Some(manifest);
                return Ok(Newest { manifest, damaged });
            }
            Err(error) if error.is_damage() => damaged.push((id, error)),
            Err(error) => return Err(error),
        }
    }
    let manifest = None;
    Ok(Newest { manifest, damaged })
}

/// Verifies a checkpoint of a job; whose it is is checked before its parts are read.
///
/// # Errors
/// As [`crate::verify`], and [`CheckpointError::Foreign`].
pub async fn verify_of(
    run: &Location,
    job: &Lineage,
    id: CheckpointId,
) -> Result<Manifest, CheckpointError> {
    verify_at(run, job, id, Pace::Full).await
}

/// The same beside training: part by part, with pauses, so that the steps on this machine do not slow down.
///
/// # Errors
/// As [`verify_of`].
pub async fn verify_leisurely(
    run: &Location,
    job: &Lineage,
    id: CheckpointId,
) -> Result<Manifest, CheckpointError> {
    verify_at(run, job, id, Pace::Leisurely).await
}

async fn verify_at(
    run: &Location,
    job: &Lineage,
    id: CheckpointId,
    pace: Pace,
) -> Result<Manifest, CheckpointError> {
    let manifest = load_manifest(run, id).await?;
    job.check(&run.url_of(&id.manifest()), &manifest)?;
    verify_parts(run, manifest, pace).await
}

#[cfg(test)]
mod tests;
