//! Writing a checkpoint: parts first, the manifest last, each created once and never changed.
//! Owns what finding an object already there means; what is in the objects is `part`'s and `manifest`'s.

use bytes::Bytes;
use fratmae_store::{About, Created, Location, StoreError};
use futures::{StreamExt, TryStreamExt};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::draft::Encoded;
use crate::error::{CheckpointError, damaged, unreadable};
use crate::layout::{CheckpointId, CheckpointObjects};
use crate::manifest::{Manifest, PartRecord};
use crate::part::{self, MISSING, other_size};
use crate::plan::PartPlan;
use crate::state::State;

/// Parts that the store is asked for at a time.
const AT_ONCE: usize = 32;

/// Writes one part of a checkpoint in one go. Safe to repeat; durable when it returns; commits nothing.
///
/// # Errors
/// [`CheckpointError::Conflict`] if the part is there with other bytes; failures of the store as they are.
pub async fn write_part(
    run: &Location,
    id: CheckpointId,
    plan: &PartPlan,
    state: &State,
) -> Result<PartRecord, CheckpointError> {
    let part = aside(|| part::encode(id, plan, state))?;
    create_part(run, id, &part).await?;
    Ok(part.record)
}

/// Writes a part that is encoded. Safe to repeat; durable when it returns; commits nothing.
///
/// # Errors
/// [`CheckpointError::Conflict`] if the part is there with other bytes; failures of the store as they are.
pub(crate) async fn create_part(
    run: &Location,
    id: CheckpointId,
    part: &Encoded,
) -> Result<(), CheckpointError> {
    let object = id.object(&part.record.name);
    let (bytes, digest) = (part.bytes.clone(), Some(part.record.digest.as_str()));
    match run.create_with_digest(&object, bytes, digest).await? {
        Created::New | Created::Ours => {}
        Created::Taken => {
            let object = run.url_of(&object);
            return Err(CheckpointError::Conflict { object });
        }
    }
    // Whoever restores it may do so days from now, or never.
    run.drop_page_cache(&object).await;
    Ok(())
}

/// Commits a checkpoint whose parts are all written. Safe to repeat; durable when it returns.
/// What a coordinator with an older fence committed with the same contents is committed.
///
/// The store is asked for every part first: none may be missing, or have another size or digest than it was reported with.
///
/// # Errors
/// [`CheckpointError::Damaged`] with the first part that is not as it was reported, [`CheckpointError::Fenced`] if a coordinator with a newer fence committed this checkpoint,
/// [`CheckpointError::Conflict`] if it is committed with other contents, [`CheckpointError::Unwritable`] if the parts
/// are not numbered without a hole; failures of the store as they are.
pub async fn commit(run: &Location, manifest: &Manifest) -> Result<(), CheckpointError> {
    let bytes = manifest.encode()?;
    ask_for_parts(run, manifest).await?;
    let object = manifest.id().manifest();
    match run.create(&object, bytes).await? {
        Created::New | Created::Ours => Ok(()),
        Created::Taken => {
            let theirs = run.get(&object).await?;
            taken(&run.url_of(&object), manifest, &theirs)
        }
    }
}

/// Makes sure that every part is on the store as it was reported, without reading it.
async fn ask_for_parts(run: &Location, manifest: &Manifest) -> Result<(), CheckpointError> {
    let id = manifest.id();
    let ask = |part: PartRecord| async move { ask_for_part(run, id, &part).await };
    let asked = futures::stream::iter(manifest.parts.clone()).map(ask);
    asked.buffered(AT_ONCE).try_collect().await
}

async fn ask_for_part(
    run: &Location,
    id: CheckpointId,
    part: &PartRecord,
) -> Result<(), CheckpointError> {
    let name = id.object(&part.name);
    let object = run.url_of(&name);
    match run.about(&name).await {
        Err(StoreError::NotFound { .. }) => Err(damaged(object, MISSING)),
        Err(error) => Err(unreadable(object, error)),
        Ok(About { size, .. }) if size != part.bytes => {
            Err(damaged(object, other_size(size, part)))
        }
        Ok(About { digest, .. }) if digest.as_ref().is_some_and(|kept| *kept != part.digest) => {
            Err(damaged(object, "it was stored with another digest"))
        }
        Ok(_) => Ok(()),
    }
}

fn taken(object: &str, ours: &Manifest, theirs: &Bytes) -> Result<(), CheckpointError> {
    let theirs = Manifest::decode(object, ours.id(), theirs)?;
    if theirs.fence > ours.fence {
        return Err(CheckpointError::Fenced {
            object: object.to_owned(),
            fence: theirs.fence,
            address: "an unknown address".to_owned(),
        });
    }
    let fence = theirs.fence;
    let same = Manifest {
        fence,
        ..ours.clone()
    };
    if same.encode()? == theirs.encode()? {
        return Ok(());
    }
    Err(CheckpointError::Conflict {
        object: object.to_owned(),
    })
}

/// Encoding takes as long as the part is large: where there are other threads, they take over the other tasks.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests;
