//! `fratmae prepare`: raw cases to a data set. The work is the `dataset` crate's; here are options, progress and report.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fratmae_dataset::{
    CaseOutcome, CaseReport, CaseSource, CaseVerdict, Part, PrepareOptions, PrepareProgress,
    PrepareReport, find_cases, prepare,
};
use fratmae_store::Location;
use serde::Serialize;

use crate::{
    commands::sizes,
    output::Output,
    progress::{Progress, Report},
    table::Table,
};

/// Turns PET/CT cases into a data set.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae prepare cases.csv --out data/mine
  fratmae prepare Dataset221_AutoPETIII_2024 --out s3://bucket/autopet
  fratmae prepare /archive/dicom --out data/mine --skip-bad --json
  fratmae prepare cases.csv --out s3://bucket/mine --shard $SLURM_ARRAY_TASK_ID/16

A table has the columns case_id, pet, ct and, where known, label, tracer, age, sex, diagnosis; paths in it may be
relative to it, and may name folders with one DICOM series. PET in NIfTI is in SUV. A stopped prepare goes on where
it was when it is run again.
report.json beside the data set says of every case whether it was taken or skipped, and why.

With --shard, several machines make one data set: each makes every n-th shard, and the one that ends last finishes the
data set. Give all of them the same source, address and options. --merge finishes it by hand.")]
pub(crate) struct Arguments {
    /// A CSV table of cases, or a folder: AutoPET, TCIA FDG-PET-CT-Lesions, or DICOM with one series a folder
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
    /// Stop at the first case that cannot be used (the default)
    #[arg(long, conflicts_with = "skip_bad")]
    strict: bool,
    /// Make only share i of n, from 0/n to n-1/n, for an array of jobs
    #[arg(long, value_name = "I/N")]
    shard: Option<Part>,
    /// Make no shard, and finish the data set from those that all shares have made
    #[arg(long, conflicts_with = "shard")]
    merge: bool,
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

impl Arguments {
    fn part(&self) -> Part {
        match self.merge {
            true => Part::Merge,
            false => self.shard.unwrap_or_default(),
        }
    }
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
        skip_bad: arguments.skip_bad && !arguments.strict,
        part: arguments.part(),
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
        missing,
        ..
    } = report;
    let skipped = report.skipped.len();
    output.table(&table(&report.cases))?;
    output.line(&format!(
        "{url}: cases prepared {prepared}, kept {kept}, skipped {skipped}; shards {shards}"
    ))?;
    let Some(digest) = &report.digest else {
        return Ok(output.line(&format!(
            "not a data set yet, shards that other shares have still to make: {}; the last share to end finishes it, or --merge does",
            missing.len()
        ))?);
    };
    output.line(&format!("digest {digest}"))?;
    Ok(output.line(&format!("look at it: fratmae dataset inspect {url}"))?)
}

fn table(cases: &[CaseReport]) -> Table {
    let mut table = Table::new(&["case", "verdict", "shard#", "why"]);
    for case in cases {
        let [verdict, shard, why] = match &case.verdict {
            CaseVerdict::Taken { shard } => ["taken", &shard.to_string(), ""].map(str::to_owned),
            CaseVerdict::Skipped { reason } => ["skipped", "", reason].map(str::to_owned),
        };
        table.row(vec![case.case_id.clone(), verdict, shard, why]);
    }
    table
}

#[cfg(test)]
mod tests {
    use fratmae_dataset::SkippedCase;

    use super::*;
    use crate::output::captured::Captured;

    fn report() -> PrepareReport {
        let case = |case_id: &str, verdict| CaseReport {
            case_id: case_id.to_owned(),
            verdict,
        };
        let reason = "truncated".to_owned();
        PrepareReport {
            prepared: 5,
            kept: 2,
            skipped: vec![SkippedCase {
                case_id: "bad".to_owned(),
                reason: reason.clone(),
            }],
            cases: vec![
                case("a", CaseVerdict::Taken { shard: 12 }),
                case("bad", CaseVerdict::Skipped { reason }),
            ],
            shards: 1,
            missing: vec![],
            digest: Some("abc".to_owned()),
            unchanged: false,
        }
    }

    fn shown(report: &PrepareReport, json: bool) -> String {
        let captured = Captured::default();
        show(report, "/d", json, &mut captured.output()).unwrap();
        captured.text()
    }

    #[test]
    fn the_report_names_every_case_and_what_became_of_it() {
        assert_eq!(
            shown(&report(), false),
            "case  verdict  shard  why\n\
             a     taken       12\n\
             bad   skipped         truncated\n\
             /d: cases prepared 5, kept 2, skipped 1; shards 1\ndigest abc\n\
             look at it: fratmae dataset inspect /d\n"
        );
    }

    #[test]
    fn a_share_says_that_others_are_missing() {
        let share = PrepareReport {
            missing: vec!["shards/shard-00001.parquet".to_owned()],
            digest: None,
            ..report()
        };
        let text = shown(&share, false);
        assert!(
            text.contains("shards that other shares have still to make: 1;"),
            "{text}"
        );
        assert!(!text.contains("digest"), "{text}");
    }

    #[test]
    fn json_names_the_place_and_the_counts() {
        let value: serde_json::Value = serde_json::from_str(&shown(&report(), true)).unwrap();
        assert_eq!(
            (value["url"].as_str(), value["prepared"].as_u64()),
            (Some("/d"), Some(5))
        );
        assert_eq!(value["skipped"][0]["case_id"], "bad");
        assert_eq!(value["cases"][0]["verdict"], "taken");
    }
}
