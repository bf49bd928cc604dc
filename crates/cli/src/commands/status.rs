//! `fratmae status`: what a run has done and does now. It shows what the `coordinator` crate finds out.

use anyhow::Result;
use clap::Args;
use fratmae_coordinator::{RunStatus, status};
use fratmae_store::Location;

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
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let status = status(&Location::open(&arguments.run)?).await?;
    if arguments.json {
        Ok(output.json(&status)?)
    } else {
        Ok(output.table(&table(&status))?)
    }
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
        ("members", status.members.join(", ")),
        ("fence", status.fence.to_string()),
        ("coordinator", status.coordinator.clone()),
    ] {
        table.row(vec![name.to_owned(), value]);
    }
    if let Some(summary) = &status.summary {
        table.row(vec!["weights".to_owned(), summary.weights_digest.clone()]);
    }
    table
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
            generation: 2,
            members: vec!["a".to_owned(), "b".to_owned()],
            fence: 1,
            coordinator: "http://127.0.0.1:7000".to_owned(),
            reason: None,
            loss: None,
            summary: None,
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
