//! What runs leave: the disturbed one on its store, and the undisturbed one, which is done here, beside it.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Result, ensure};
use fratmae_checkpoint::{Journal, Record};
use fratmae_config::Config;
use fratmae_coordinator::{HistoryRow, read_history};
use fratmae_store::Location;
use serde_json::Value;

use super::{
    arena::Calls,
    folder::Folder,
    ledger::{Ledger, Left},
    text,
};

/// The digest to come to, and the figures of the run that came to it, which is done now unless the digest is known.
///
/// # Errors
/// When that run fails, or its records cannot be read.
pub(super) async fn undisturbed(
    digest: Option<&str>,
    folder: &Folder,
    calls: &Calls,
) -> Result<(String, Option<Vec<HistoryRow>>)> {
    if let Some(digest) = digest {
        return Ok((digest.to_owned(), None));
    }
    let run = folder.place("undisturbed");
    let output = Command::new(&calls.program)
        .args(["pretrain", "--json", "--quiet", "--workers", "1"])
        .args(&calls.job)
        .arg("--run")
        .arg(&run)
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "the undisturbed run failed: {}",
        said.trim()
    );
    let stdout = String::from_utf8_lossy(&output.stdout);
    let summary: Value = serde_json::from_str(stdout.lines().last().unwrap_or_default())?;
    let rows = read_history(&open(&run)?).await?;
    Ok((text(&summary, "weights_digest"), Some(rows)))
}

/// What the disturbed run left on its store.
///
/// # Errors
/// When its records cannot be read.
pub(super) async fn ledger(
    folder: &Folder,
    config: &Config,
    undisturbed: Option<&[HistoryRow]>,
) -> Result<Ledger> {
    let run = open(&folder.run())?;
    let rows = read_history(&run).await?;
    let commit = |record: Record| match record {
        Record::Commit { step, generation } => Some((step, generation)),
        _ => None,
    };
    let records = Journal::replay(&run).await?.into_iter();
    let commits: Vec<(u64, u64)> = records.filter_map(|entry| commit(entry.record)).collect();
    let left = Left {
        rows: &rows,
        commits: &commits,
        batch: config.train.batch as u64,
        last: config.train.steps,
    };
    Ok(Ledger::of(left, undisturbed))
}

fn open(run: &Path) -> Result<Location> {
    Ok(Location::open(&run.display().to_string())?)
}
