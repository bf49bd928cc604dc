//! `fratmae prepare`: raw cases to a data set. The work is the `dataset` crate's; here are options, progress and report.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fratmae_dataset::{
    CaseOutcome, CaseSource, PrepareOptions, PrepareProgress, PrepareReport, find_cases, prepare,
};
use fratmae_store::Location;
use serde::Serialize;

use crate::{
    commands::sizes,
    output::Output,
    progress::{Progress, Report},
};

/// Turns NIfTI cases into a data set.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae prepare cases.csv --out data/mine
  fratmae prepare Dataset221_AutoPETIII_2024 --out s3://bucket/autopet
  fratmae prepare cases.csv --out data/mine --skip-bad --json

A table has the columns case_id, pet, ct and, where known, label, tracer, age, sex, diagnosis; paths in it may be
relative to it. PET is in SUV. A stopped prepare goes on where it was when it is run again.")]
pub(crate) struct Arguments {
    /// A CSV table of cases, or a folder in the AutoPET layout
    source: PathBuf,
    /// Where the data set goes: a path, file://, s3://, gs://, az://
    #[arg(long, value_name = "URL")]
    out: String,
    /// Voxels of a prepared case along R, A and S
    #[arg(long, value_name = "RxAxS", value_parser = sizes::voxels, default_value = "160x160x192")]
    grid: [usize; 3],
    /// Cases in one shard
    #[arg(long, value_name = "N", default_value_t = default_cases_per_shard(),
        value_parser = clap::value_parser!(u32).range(1..))]
    cases_per_shard: u32,
    /// Leave out cases that cannot be used, and say why, instead of stopping at the first
    #[arg(long)]
    skip_bad: bool,
    /// One JSON object at the end instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Prepared<'a> {
    url: &'a str,
    #[serde(flatten)]
    report: &'a PrepareReport,
}

fn default_cases_per_shard() -> u32 {
    PrepareOptions::default().cases_per_shard as u32
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    let cases = find_cases(&arguments.source)?;
    let out = Location::open(&arguments.out)?;
    let options = PrepareOptions {
        grid: arguments.grid,
        cases_per_shard: arguments.cases_per_shard as usize,
        skip_bad: arguments.skip_bad,
        ..PrepareOptions::default()
    };
    let report = prepare_with_progress(cases, &out, &options, quiet).await?;
    show(&report, out.url(), arguments.json, output)
}

/// Prepares `cases` into `out` while it shows how far it is; a store that cannot be written is told before any work.
///
/// # Errors
/// As [`Location::probe`] and [`prepare`].
pub(crate) async fn prepare_with_progress(
    cases: Vec<CaseSource>,
    out: &Location,
    options: &PrepareOptions,
    quiet: bool,
) -> Result<PrepareReport> {
    out.probe().await?;
    let mut progress = Progress::start("prepare", quiet);
    let report = prepare(cases, out, options, &mut |done| tell(&mut progress, done)).await?;
    Ok(report)
}

fn tell(progress: &mut Progress, done: PrepareProgress) {
    if let CaseOutcome::Skipped { reason } = &done.outcome {
        progress.note(&format!("skipped case {}: {reason}", done.case_id));
    }
    progress.show(&Report::Items {
        done: done.done as u64,
        total: done.total as u64,
        name: done.case_id,
    });
}

fn show(report: &PrepareReport, url: &str, json: bool, output: &mut Output) -> Result<()> {
    if json {
        return Ok(output.json(&Prepared { url, report })?);
    }
    let PrepareReport {
        prepared,
        kept,
        shards,
        digest,
        ..
    } = report;
    let skipped = report.skipped.len();
    output.line(&format!(
        "{url}: cases prepared {prepared}, kept {kept}, skipped {skipped}; shards {shards}"
    ))?;
    for case in &report.skipped {
        output.line(&format!("skipped {}: {}", case.case_id, case.reason))?;
    }
    output.line(&format!("digest {digest}"))?;
    Ok(output.line(&format!("look at it: fratmae dataset inspect {url}"))?)
}

#[cfg(test)]
mod tests {
    use fratmae_dataset::SkippedCase;

    use super::*;
    use crate::output::captured::Captured;

    fn shown(json: bool) -> String {
        let report = PrepareReport {
            prepared: 5,
            kept: 2,
            skipped: vec![SkippedCase {
                case_id: "bad".to_owned(),
                reason: "truncated".to_owned(),
            }],
            shards: 1,
            digest: "abc".to_owned(),
            unchanged: false,
        };
        let captured = Captured::default();
        show(&report, "/d", json, &mut captured.output()).unwrap();
        captured.text()
    }

    #[test]
    fn the_report_counts_and_names_what_was_skipped() {
        assert_eq!(
            shown(false),
            "/d: cases prepared 5, kept 2, skipped 1; shards 1\nskipped bad: truncated\ndigest abc\n\
             look at it: fratmae dataset inspect /d\n"
        );
    }

    #[test]
    fn json_names_the_place_and_the_counts() {
        let value: serde_json::Value = serde_json::from_str(&shown(true)).unwrap();
        assert_eq!(
            (value["url"].as_str(), value["prepared"].as_u64()),
            (Some("/d"), Some(5))
        );
        assert_eq!(value["skipped"][0]["case_id"], "bad");
    }
}
