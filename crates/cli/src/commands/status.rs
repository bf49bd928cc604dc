//! `fratmae status`: what a run has done and does now. It shows what the `coordinator` crate finds out.

use anyhow::Result;
use clap::Args;
use fratmae_coordinator::{HistoryRow, RunStatus, read_kept_history, status};
use fratmae_store::Location;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{output::Output, table::Table};

/// Says what a run has done.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae status runs/quickstart/run
  fratmae status s3://bucket/run-1 --json")]
pub(crate) struct Arguments {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
    /// With --json: the figures of every committed step as `history`
    #[arg(long, requires = "json")]
    history: bool,
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    status: RunStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<Map<String, Value>>>,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let run = Location::open(&arguments.run)?;
    let status = status(&run).await?;
    if arguments.json {
        let history = match arguments.history {
            true => Some(
                read_kept_history(&run)
                    .await?
                    .rows
                    .iter()
                    .map(row)
                    .collect(),
            ),
            false => None,
        };
        Ok(output.json(&Report { status, history })?)
    } else {
        Ok(output.table(&table(&status))?)
    }
}

/// A step's figures under the names of the history's columns.
fn row(row: &HistoryRow) -> Map<String, Value> {
    let numbers = [
        ("step", row.step.into()),
        ("generation", row.generation.into()),
        ("samples", row.figures.samples.into()),
    ];
    let figures = row.columns().map(|(name, value)| (name, value.into()));
    let phases = row
        .phases()
        .map(|(name, value)| (name.to_owned(), value.into()));
    let phases = ("phases", Value::Object(phases.collect()));
    let all = numbers.into_iter().chain(figures).chain([phases]);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn table(status: &RunStatus) -> Table {
    let mut table = Table::new(&["run", &status.run]);
    let state = match &status.reason {
        Some(reason) => format!("{}: {reason}", status.state),
        None => status.state.to_owned(),
    };
    let loss = status
        .loss
        .map_or_else(|| "-".to_owned(), |loss| format!("{loss:.6}"));
    for (name, value) in [
        ("state", state),
        ("step", format!("{} of {}", status.step, status.last_step)),
        ("checkpoint", format!("step {}", status.committed_step)),
        ("loss", loss),
        ("generation", status.generation.to_string()),
        ("members", members(status)),
        ("standing by", status.standing_by.join(", ")),
        ("fence", status.fence.to_string()),
        ("coordinator", status.coordinator.clone()),
    ] {
        if name != "standing by" || !value.is_empty() {
            table.row(vec![name.to_owned(), value]);
        }
    }
    for note in &status.notes {
        table.row(vec!["note".to_owned(), note.clone()]);
    }
    for (first, last) in &status.history_missing {
        let steps = format!("figures of steps {first} to {last} are missing");
        table.row(vec!["history".to_owned(), steps]);
    }
    for verdict in &status.verdicts {
        table.row(vec!["verdict".to_owned(), verdict.line.clone()]);
    }
    if let Some(summary) = &status.summary {
        table.row(vec!["weights".to_owned(), summary.weights_digest.clone()]);
    }
    table
}

/// The members, and how many there may be where that is not fixed.
fn members(status: &RunStatus) -> String {
    let names = status.members.join(", ");
    match status.workers {
        Some([least, most]) if least != most => {
            format!("{names} ({} of {least} to {most})", status.members.len())
        }
        _ => names,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank() -> RunStatus {
        RunStatus {
            run: "/r".to_owned(),
            state: "stopped",
            last_step: 50,
            step: 23,
            committed_step: 20,
            history_missing: Vec::new(),
            generation: 2,
            members: vec!["a".to_owned(), "b".to_owned()],
            fence: 1,
            coordinator: "http://127.0.0.1:7000".to_owned(),
            reason: None,
            loss: None,
            ..RunStatus::default()
        }
    }

    #[test]
    fn the_text_says_how_far_the_run_is() {
        let text = table(&blank()).to_string();
        for line in [
            "run          /r",
            "state        stopped",
            "step         23 of 50",
            "checkpoint   step 20",
            "loss         -",
            "members      a, b",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_step_of_the_history_has_its_figures_by_name() {
        let mut step = HistoryRow {
            step: 3,
            generation: 1,
            figures: Default::default(),
        };
        step.figures.loss = 0.5;
        let shown = row(&step);
        assert_eq!(shown["step"], 3);
        assert_eq!(shown["loss"], 0.5);
        assert!(shown.contains_key("mean_baseline"));
    }

    #[test]
    fn a_reason_stands_with_the_state() {
        let status = RunStatus {
            state: "interrupted",
            reason: Some("asked to stop".to_owned()),
            ..blank()
        };
        assert!(
            table(&status)
                .to_string()
                .contains("interrupted: asked to stop")
        );
    }
}
