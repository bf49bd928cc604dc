//! Owns the end of a prepare: from the records of all shards to the report and, last, the manifest.
//!
//! Calls that end at the same time write the same bytes, so that they cannot harm each other. It makes no shard.

use bytes::Bytes;
use fratmae_dataset::{DataSetError, MANIFEST_NAME, Manifest, ManifestCase};
use fratmae_store::{Created, Location};

use super::PrepareReport;
use super::report::{self, REPORT_NAME};
use crate::PrepareError;

/// Writes report and manifest, or finds that the manifest that is there says the same.
pub(super) async fn commit(
    out: &Location,
    grid: [usize; 3],
    rows: Vec<ManifestCase>,
    report: &PrepareReport,
    existing: Option<Manifest>,
) -> Result<Manifest, PrepareError> {
    if existing.is_none() {
        // Also where no case could be used: it says why.
        let bytes = Bytes::from(report::to_json(grid, report)?);
        out.put(REPORT_NAME, bytes).await?;
    }
    if rows.is_empty() {
        let first = report.skipped.first().map_or_else(String::new, |case| {
            format!("; the first, {}: {}", case.case_id, case.reason)
        });
        let hint = format!("none of the cases could be used, see {REPORT_NAME}{first}");
        let place = out.url().to_owned();
        return Err(DataSetError::Empty { place, hint }.into());
    }
    let manifest = Manifest::new(grid, rows);
    let taken = match existing {
        Some(existing) => existing != manifest,
        None => {
            let created = out.create(MANIFEST_NAME, manifest.to_json()?).await?;
            matches!(created, Created::Taken)
        }
    };
    if taken {
        let reason = format!("its {MANIFEST_NAME} lists other cases");
        return Err(PrepareError::OtherDataSet {
            url: out.url().to_owned(),
            reason,
        });
    }
    Ok(manifest)
}

/// Says that shards must be made before they can be merged.
pub(super) fn unfinished(out: &Location, missing: &[String], shards: usize) -> DataSetError {
    /// More names than these would not be read.
    const NAMED: usize = 20;
    let mut names = missing[..missing.len().min(NAMED)].join(", ");
    if missing.len() > NAMED {
        names.push_str(", …");
    }
    let reason = format!(
        "{} of {shards} shards are missing, or are not of these cases and options: {names}; run `fratmae prepare` with \
         --shard for each share to its end, with the same other options, then --merge again",
        missing.len()
    );
    DataSetError::Manifest {
        url: out.url().to_owned(),
        reason,
    }
}
