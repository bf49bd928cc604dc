//! `fratmae prepare`: raw cases to a data set. The work is the `prepare` crate's; here are options, progress and report.

mod account;
mod folders;
mod names;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fratmae_prepare::{
    CaseOutcome, Layout, Part, PrepareOptions, PrepareProgress, PrepareReport, Survey, prepare,
    survey,
};
use fratmae_store::Location;
use serde::Serialize;

use self::folders::Folders;
use crate::{
    commands::{
        owner::{self, Kind},
        sizes,
        target::here,
    },
    output::Output,
    progress::{Progress, Report},
    signals::Signals,
    table::counted,
};

/// Converts PET/CT cases to a data set.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae prepare cases.csv --out data/mine
  fratmae prepare Dataset221_AutoPETIII_2024 --out s3://bucket/autopet
  fratmae prepare /archive/dicom --layout dicom --out data/mine --strict --json
  fratmae prepare cases.csv --out data/mine --shard $SLURM_ARRAY_TASK_ID/16

A table has the columns case_id, pet, ct and, where known, label, tracer, age, sex, diagnosis, stage, fold. Paths are relative to the table and may name folders with one DICOM series. PET in NIfTI must be in SUV, CT in Hounsfield units. Rerun the command to resume a stopped prepare. Unusable cases are skipped and listed with the reason; doubtful ones are used and get a note. With --strict the first of either is an error. report.json in the data set lists every case, what else lies in the source and was not used, and which fields of metadata were kept. No name, date or number of a patient and no path enters a data set.

With --shard, several machines make one data set: each makes every n-th shard, and the last to finish writes the manifest. Give all of them the same source, address and options. --merge writes the manifest by hand.")]
pub(crate) struct Arguments {
    /// A CSV table of cases, or a folder: AutoPET, TCIA FDG-PET-CT-Lesions, or any tree of DICOM files
    #[arg(value_parser = here())]
    source: PathBuf,
    /// Where to store the data set: a path, file://, s3://, gs:// or az://
    #[arg(long, value_name = "URL")]
    out: String,
    /// Voxels of a prepared case along R, A and S
    #[arg(long, value_name = "RxAxS", value_parser = sizes::voxels, default_value = "160x160x192")]
    grid: [usize; 3],
    /// Cases per shard
    #[arg(long, value_name = "N", default_value_t = default_cases_per_shard(),
        value_parser = clap::value_parser!(u32).range(1..))]
    cases_per_shard: u32,
    /// Layout of the source: auto, autopet, tcia, dicom or table
    #[arg(long, value_name = "LAYOUT", default_value_t)]
    layout: Layout,
    /// Fail at the first case that cannot be used or has a note, instead of skipping or using it
    #[arg(long)]
    strict: bool,
    /// Write each case's folders to this CSV file, which must lie outside the data set
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    /// Make only share I of N (from 0), for a job array
    #[arg(long, value_name = "I/N")]
    shard: Option<Part>,
    /// Only write the manifest and the report, once all shards are done
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
    let _signals = Signals::catch("stopped; run the same command to resume")?;
    let survey = survey(&arguments.source, arguments.layout)?;
    let out = Location::open(&arguments.out)?;
    if let Some(path) = &arguments.names {
        names::write(&survey, path, &out)?;
    }
    let folders = Folders::of(&survey);
    let options = PrepareOptions {
        grid: arguments.grid,
        cases_per_shard: arguments.cases_per_shard as usize,
        skip_bad: !arguments.strict,
        refuse_noted: arguments.strict,
        part: arguments.part(),
        ..PrepareOptions::default()
    };
    let report = prepare_with_progress(survey, &out, &options, quiet).await?;
    show(&report, out.url(), &folders, arguments.json, output)
}

/// Prepares the cases of `survey` into `out` while it shows how far it is; a store that cannot be written is told before any work.
///
/// # Errors
/// As [`Location::probe`] and [`prepare`].
pub(crate) async fn prepare_with_progress(
    survey: Survey,
    out: &Location,
    options: &PrepareOptions,
    quiet: bool,
) -> Result<PrepareReport> {
    owner::refuse_file(out, Kind::DataSet)?;
    out.probe().await?;
    owner::ensure_free(out, Kind::DataSet).await?;
    let mut progress = Progress::start("prepare", quiet);
    let folders = Folders::of(&survey);
    let mut tell = |done| tell(&mut progress, &folders, done);
    let report = prepare(survey, out, options, &mut tell).await?;
    Ok(report)
}

fn tell(progress: &mut Progress, folders: &Folders, done: PrepareProgress) {
    let case = |text: &str| folders.beside(&done.case_id, text);
    match &done.outcome {
        CaseOutcome::Skipped { reason } => {
            progress.note(&format!("skipped case {}: {reason}", case(reason)));
        }
        CaseOutcome::Prepared { notes } => {
            for note in notes {
                let text = &note.text;
                progress.note(&format!("note on case {}: {text}", case(text)));
            }
        }
        CaseOutcome::Kept => {}
    }
    progress.show(&Report::Items {
        done: done.done as u64,
        total: done.total as u64,
        name: done.case_id,
    });
}

fn show(
    report: &PrepareReport,
    url: &str,
    folders: &Folders,
    json: bool,
    output: &mut Output,
) -> Result<()> {
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
    account::show(report, folders, output)?;
    let skipped = report.skipped.len();
    output.line(&format!(
        "{url}: {} prepared, {kept} reused, {skipped} skipped; {}",
        counted(*prepared, "case"),
        counted(*shards, "shard")
    ))?;
    let Some(digest) = &report.digest else {
        return Ok(output.line(&format!(
            "not complete yet: {} of other shares missing; the last share to finish writes the manifest, or --merge does",
            counted(missing.len(), "shard")
        ))?);
    };
    output.line(&format!("digest {digest}"))?;
    Ok(output.line(&format!("look at it: fratmae dataset inspect {url}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::captured::Captured;

    use account::tests::report;

    fn shown(report: &PrepareReport, json: bool) -> String {
        let captured = Captured::default();
        show(
            report,
            "/d",
            &Folders::default(),
            json,
            &mut captured.output(),
        )
        .unwrap();
        captured.text()
    }

    #[test]
    fn the_last_lines_say_what_is_there_and_what_to_do_with_it() {
        let text = shown(&report(), false);
        assert!(
            text.ends_with(
                "/d: 5 cases prepared, 2 reused, 3 skipped; 1 shard\ndigest abc\n\
                 look at it: fratmae dataset inspect /d\n"
            ),
            "{text}"
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
            text.contains("not complete yet: 1 shard of other shares missing;"),
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
        assert_eq!(value["skipped"][0]["case_id"], "bad-1");
        assert_eq!(value["cases"][0]["verdict"], "taken");
        assert_eq!(value["cases"][1]["notes"][0]["kind"], "not_whole_body");
        assert_eq!(value["remarks"][0]["names"][0], "one");
        assert_eq!(value["layout"], "autopet");
        assert_eq!(value["metadata"]["dropped_columns"][0], "name");
    }
}
