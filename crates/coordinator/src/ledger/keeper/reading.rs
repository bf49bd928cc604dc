//! Reads what earlier coordinators put down.

use super::super::{ProcessId, Recorded};
use fratmae_observe::{Kept, RankFile, Records, current};
use fratmae_store::{Location, StoreError};
use std::collections::BTreeSet;

/// What earlier coordinators put down, and which files of ranks there are.
///
/// # Errors
/// The store's. A file that cannot be read is passed over with a warning.
pub(super) async fn read(
    run: &Location,
    committed: u64,
) -> Result<(Recorded, BTreeSet<RankFile>), StoreError> {
    let records = Records::list(run).await?;
    let mut recorded = Recorded::default();
    for row in readable(records.ledger().await?) {
        let process = ProcessId {
            worker: row.worker.clone(),
            incarnation: row.incarnation,
        };
        recorded.booked.entry(process).or_default().add(&row);
    }
    for row in readable(records.capacity().await?) {
        recorded.capacity += row;
    }
    let ranks = records.ranks(committed + 1..=u64::MAX).await?;
    recorded.ranks = current(readable(ranks));
    Ok((recorded, records.rank_files().collect()))
}

fn readable<R>(kept: Kept<R>) -> Vec<R> {
    for line in kept.damaged {
        tracing::warn!("{line}; its time is not counted");
    }
    kept.rows
}
