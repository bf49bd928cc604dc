//! `fratmae dataset verify`: reads every slice of a data set and compares it with its digest.

use anyhow::{Result, bail};
use clap::Args;
use fratmae_dataset::{DataSet, VerifyReport, verify};
use fratmae_store::Location;

use crate::{
    output::Output,
    progress::{Progress, Report},
    table::Table,
};

/// Reads everything and compares it with its digests.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae dataset verify runs/quickstart/data
  fratmae dataset verify s3://bucket/autopet --json

Exits with 1 when anything is damaged, after listing it.")]
pub(crate) struct Arguments {
    /// The prepared data set
    #[arg(value_name = "URL")]
    data: String,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    let location = Location::open(&arguments.data)?;
    let data = DataSet::open(&location).await?;
    let report = {
        let mut progress = Progress::start("verify", quiet);
        verify(&data, &mut |done, total| {
            let name = data.manifest.cases.get(done.saturating_sub(1));
            progress.show(&Report::Items {
                done: done as u64,
                total: total as u64,
                name: name.map_or_else(String::new, |case| case.case_id.clone()),
            });
        })
        .await?
    };
    show(&report, location.url(), arguments.json, output)
}

fn show(report: &VerifyReport, url: &str, json: bool, output: &mut Output) -> Result<()> {
    if json {
        output.json(report)?;
    } else if report.is_sound() {
        let VerifyReport {
            cases,
            slices,
            content_digest,
            ..
        } = report;
        output.line(&format!("{url}: {cases} cases, {slices} slices, all sound"))?;
        output.line(&format!("content digest {content_digest}"))?;
    } else {
        output.table(&damages(report))?;
    }
    match report.damaged.as_slice() {
        [] => Ok(()),
        [first, ..] => bail!(
            "{} of {} cases in {url} are damaged, the first {} in {}; delete the damaged shards and run the same `fratmae prepare` again",
            report.damaged.len(),
            report.cases,
            first.case_id,
            first.shard
        ),
    }
}

fn damages(report: &VerifyReport) -> Table {
    let mut table = Table::new(&["case", "shard", "slice#", "what is wrong"]);
    for damage in &report.damaged {
        table.row(vec![
            damage.case_id.clone(),
            damage.shard.clone(),
            damage
                .slice
                .map_or_else(|| "-".to_owned(), |slice| slice.to_string()),
            damage.reason.clone(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use fratmae_dataset::Damage;

    use super::*;
    use crate::output::captured::Captured;

    fn report(damaged: Vec<Damage>) -> VerifyReport {
        VerifyReport {
            cases: 3,
            slices: 480,
            content_digest: "abc".to_owned(),
            damaged,
        }
    }

    #[test]
    fn a_sound_data_set_is_said_to_be_so() {
        let captured = Captured::default();
        show(&report(Vec::new()), "/d", false, &mut captured.output()).unwrap();
        assert_eq!(
            captured.text(),
            "/d: 3 cases, 480 slices, all sound\ncontent digest abc\n"
        );
    }

    #[test]
    fn damage_is_listed_and_fails() {
        let damage = Damage {
            case_id: "b".to_owned(),
            shard: "shards/shard-00000.parquet".to_owned(),
            slice: Some(7),
            reason: "changed".to_owned(),
        };
        for json in [false, true] {
            let captured = Captured::default();
            let result = show(
                &report(vec![damage.clone()]),
                "/d",
                json,
                &mut captured.output(),
            );
            let text = result.unwrap_err().to_string();
            assert!(
                text.starts_with("1 of 3 cases in /d are damaged, the first b in shards/"),
                "{text}"
            );
            assert!(captured.text().contains("changed"));
        }
    }
}
