//! Owns the full check of a data set: every slice against its checksum, every case and the manifest against their digests.
//!
//! It mends nothing.

use futures::{StreamExt, TryStreamExt};
use serde::Serialize;

use crate::DataSetError;
use crate::manifest::{CaseDigest, shard_name};
use crate::reader::{DataSet, Origin, Unpacked, unblocked};
use crate::shard::slice_digest;

/// Cases read at once: enough to hide the store, few enough for any memory.
const AT_ONCE: usize = 2;

/// Sums up a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    pub cases: usize,
    pub slices: usize,
    /// Digest of the content that the manifest promises.
    pub content_digest: String,
    /// What does not match; the first fault of each case.
    pub damaged: Vec<Damage>,
}

/// Names one damaged case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    pub case_id: String,
    /// Name of its shard.
    pub shard: String,
    /// The first damaged slice, where the damage has a place.
    pub slice: Option<u32>,
    /// What is wrong, in one line.
    pub reason: String,
}

impl VerifyReport {
    /// Says whether all is as it was prepared.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty()
    }
}

/// Checks a whole data set and calls `progress` with (cases done, cases in all).
///
/// # Errors
/// [`DataSetError::Store`] where the store fails; damage is no error but in the report.
pub async fn verify(
    data: &DataSet,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<VerifyReport, DataSetError> {
    let cases = data.manifest.cases.len();
    let checks = futures::stream::iter(0..cases as u32)
        .map(|case| check(data, case))
        .buffered(AT_ONCE);
    let mut checks = std::pin::pin!(checks);
    let (mut done, mut damaged) = (0, Vec::new());
    while let Some(damage) = checks.try_next().await? {
        damaged.extend(damage);
        done += 1;
        progress(done, cases);
    }
    let slices = cases * data.manifest.grid[1];
    Ok(VerifyReport {
        cases,
        slices,
        content_digest: data.manifest.digest(),
        damaged,
    })
}

/// Checks one case and returns what is wrong with it.
async fn check(data: &DataSet, case: u32) -> Result<Option<Damage>, DataSetError> {
    let failure = match case_digest(data, case).await {
        Ok(fault) => fault,
        Err(DataSetError::ChecksumMismatch { slice, .. }) => Some((
            Some(slice),
            "the slice does not match its checksum".to_owned(),
        )),
        Err(error @ DataSetError::Parquet { .. }) => {
            let cause = std::error::Error::source(&error)
                .map(ToString::to_string)
                .unwrap_or_default();
            Some((None, format!("the shard cannot be used: {cause}")))
        }
        Err(error) if is_missing(&error) => Some((None, "the shard is missing".to_owned())),
        Err(error) => return Err(error),
    };
    let entry = data.manifest.cases.get(case as usize);
    Ok(failure.zip(entry).map(|((slice, reason), entry)| Damage {
        case_id: entry.case_id.clone(),
        shard: shard_name(entry.shard),
        slice,
        reason,
    }))
}

fn is_missing(error: &DataSetError) -> bool {
    matches!(
        error,
        DataSetError::Store(fratmae_store::StoreError::NotFound { .. })
    )
}

/// Reads a whole case and says whether its digest differs from the manifest's.
async fn case_digest(
    data: &DataSet,
    case: u32,
) -> Result<Option<(Option<u32>, String)>, DataSetError> {
    let Some(entry) = data.manifest.cases.get(case as usize) else {
        return Ok(None);
    };
    let rows: Vec<u32> = (0..data.manifest.grid[1] as u32).collect();
    let packed = data.fetch(case, &rows, true, Origin::Nearest).await?;
    let [side_r, _, side_s] = data.manifest.grid;
    let plane = 2 * side_r * side_s;
    let (slices, label) = unblocked(move || {
        let Unpacked { pet, ct, label } = packed.unpack()?;
        let slices = pet.chunks_exact(plane).zip(ct.chunks_exact(plane));
        let slices = slices.map(|(pet, ct)| slice_digest(pet, ct));
        Ok((slices.collect::<Vec<_>>(), label))
    })
    .await?;
    let mut digest = CaseDigest::new(
        &entry.case_id,
        data.manifest.grid,
        &entry.metadata,
        &entry.affine,
        entry.body,
    );
    for slice in &slices {
        digest.slice(slice);
    }
    digest.label(label.as_deref());
    let reason = "the case does not match its digest in the manifest: label, metadata or slices were changed";
    Ok((digest.finish() != entry.digest).then(|| (None, reason.to_owned())))
}

#[cfg(test)]
mod tests;
