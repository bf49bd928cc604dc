//! Takes figures of steps that are given up off the store.

use super::{FOLDER, History, read_rows};
use crate::error::CoordinatorError;
use fratmae_observe::RankFile;
use fratmae_store::Location;

/// Deletes the figures of all steps after `step`. Safe to repeat: what stays of a file is written before that file is
/// deleted. A file of ranks' times goes if it begins later; in another one rows of later steps stay, and the next
/// generation's replace them. The ledger stays: that time has passed.
///
/// # Errors
/// The store's, or `Damaged`.
pub(crate) async fn trim_history(run: &Location, step: u64) -> Result<(), CoordinatorError> {
    for entry in run.list(FOLDER).await? {
        let object = entry.relative;
        if RankFile::of(&object)
            .or(RankFile::of_compacted(&object))
            .is_some_and(|file| file.first > step)
        {
            run.delete(&object).await?;
            continue;
        }
        let Some((first, last)) = steps_of(&object).filter(|(_, last)| *last > step) else {
            continue;
        };
        if first <= step {
            let mut kept = History {
                rows: read_rows(run, &object).await?,
            };
            kept.flush(run, step).await?;
        }
        tracing::debug!(first, last, "deleting figures of steps that are given up");
        run.delete(&object).await?;
    }
    Ok(())
}

/// The first and last step that a file's name tells.
pub(super) fn steps_of(object: &str) -> Option<(u64, u64)> {
    let name = object.strip_prefix(FOLDER)?.strip_prefix("/steps-")?;
    let (first, last) = name.strip_suffix(".parquet")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}
