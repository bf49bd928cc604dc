//! A checkpoint of one run becomes the first of another: the same parts, checked on the way, in another folder.
//! Owns the copying of parts; the manifest that commits them is the caller's to word.

use fratmae_store::Location;
use futures::TryStreamExt;

use crate::draft::Encoded;
use crate::error::CheckpointError;
use crate::layout::CheckpointId;
use crate::manifest::Manifest;
use crate::restore::{AT_ONCE, parts};
use crate::writer::create_part;

/// Copies the parts that `manifest` names in `from` into the folder of checkpoint `id` of `to`; several are fetched at a
/// time. Safe to repeat; durable when it returns; commits nothing.
///
/// # Errors
/// [`CheckpointError::Damaged`] names a part that is not what was written, and is not copied;
/// [`CheckpointError::Conflict`] if a part is there already with other bytes; failures of both stores as they are.
pub async fn copy_parts(
    from: &Location,
    manifest: &Manifest,
    to: &Location,
    id: CheckpointId,
) -> Result<(), CheckpointError> {
    let mut fetched = parts(from, manifest, AT_ONCE);
    for record in &manifest.parts {
        let Some((_, bytes)) = fetched.try_next().await? else {
            return Ok(());
        };
        let part = Encoded {
            record: record.clone(),
            weights: Vec::new(),
            bytes,
        };
        create_part(to, id, &part).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
