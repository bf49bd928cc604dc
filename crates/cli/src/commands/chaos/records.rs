//! What runs leave: the disturbed one on its store, and the undisturbed one, which is done here, beside it.

use std::{path::Path, sync::mpsc::sync_channel};

use anyhow::{Context as _, Result, ensure};
use fratmae_checkpoint::{Journal, Record};
use fratmae_config::Config;
use fratmae_coordinator::{HistoryRow, RunEvent, read_history};
use fratmae_proof::{Left, SampleAudit};
use fratmae_store::Location;
use serde_json::Value;

use super::{
    log_event::{LogEvent, log_event},
    process::Process,
    run_dir::RunDir,
    supervisor::{Calls, LINES},
    text,
};
use crate::progress::{Progress, Report};

/// The digest to come to, and the figures of the run that came to it, which is done now unless the digest is known.
///
/// # Errors
/// When that run fails, or its records cannot be read.
pub(super) async fn undisturbed(
    digest: Option<&str>,
    folder: &RunDir,
    calls: &Calls,
    quiet: bool,
) -> Result<(String, Option<Vec<HistoryRow>>)> {
    if let Some(digest) = digest {
        return Ok((digest.to_owned(), None));
    }
    let run = folder.place("undisturbed");
    let mut progress = Progress::start("chaos", quiet);
    progress.note("the same job without faults, with one worker");
    let summary = finished(&run, folder, calls, &mut progress)?;
    let rows = read_history(&open(&run)?).await?;
    Ok((text(&summary, "weights_digest"), Some(rows)))
}

/// Runs the job to its end with one worker, and returns its summary.
fn finished(run: &Path, folder: &RunDir, calls: &Calls, progress: &mut Progress) -> Result<Value> {
    let mut words = vec![calls.program.clone()];
    words.extend(["pretrain", "--json", "--log", "json", "--workers", "1"].map(str::to_owned));
    words.extend(calls.job.iter().cloned());
    words.extend(["--run".to_owned(), run.display().to_string()]);
    let (sender, lines) = sync_channel(LINES);
    let mut process = Process::start(&words, 0, &folder.log("undisturbed"), &sender)?;
    drop(sender);
    let (mut summary, mut last_word) = (None, String::new());
    for line in lines {
        match log_event(&line.text) {
            _ if line.is_result => summary = serde_json::from_str(&line.text).ok(),
            Some(LogEvent::Event(RunEvent::Applied { step, .. })) => {
                progress.show(&Report::Items {
                    done: step,
                    total: calls.steps,
                    name: "steps, undisturbed".to_owned(),
                })
            }
            Some(LogEvent::Error(reason)) => last_word = reason,
            _ => {}
        }
    }
    ensure!(
        process.wait()?.success(),
        "the undisturbed run failed: {last_word}"
    );
    summary.context("the undisturbed run has no summary")
}

/// What the disturbed run left on its store.
///
/// # Errors
/// When its records cannot be read.
pub(super) async fn audit(
    folder: &RunDir,
    config: &Config,
    undisturbed: Option<&[HistoryRow]>,
) -> Result<SampleAudit> {
    let run = open(&folder.run())?;
    let rows = read_history(&run).await?;
    let commit = |record: Record| match record {
        Record::Commit {
            step, generation, ..
        } => Some((step, generation)),
        _ => None,
    };
    let records = Journal::replay(&run).await?.into_iter();
    let commits: Vec<(u64, u64)> = records.filter_map(|entry| commit(entry.record)).collect();
    let left = Left {
        rows: &rows,
        commits: &commits,
        batch: config.train.batch as u64,
        began: (0, 0),
        last: config.train.steps,
    };
    Ok(SampleAudit::of(left, undisturbed))
}

fn open(run: &Path) -> Result<Location> {
    Ok(Location::open(&run.display().to_string())?)
}
