//! `fratmae checkpoint rollback`: resets a stopped run to one of its checkpoints.

use anyhow::Result;
use clap::Args;
use fratmae_coordinator::RolledBack;
use fratmae_store::Location;
use serde::Serialize;

use crate::{commands::run_coordinator::nonce, output::Output};

/// Resets a stopped run to one of its checkpoints.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae checkpoint list runs/quickstart/run
  fratmae checkpoint rollback runs/quickstart/run --to 20

Later checkpoints and figures are removed, and the journal records it. The next pretrain resumes from that step.

To keep them, start a new run from the checkpoint instead: `pretrain --fork RUN@STEP`.")]
pub(crate) struct Arguments {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// The checkpoint's step
    #[arg(long, value_name = "STEP")]
    to: u64,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    run: &'a str,
    step: u64,
    given_up: &'a [u64],
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let run = Location::open(&arguments.run)?;
    let this = (env!("CARGO_PKG_VERSION"), &*nonce());
    let RolledBack { step, given_up } =
        fratmae_coordinator::rollback(&run, arguments.to, this).await?;
    let run = run.url();
    if arguments.json {
        let given_up = &given_up;
        return Ok(output.json(&Report {
            run,
            step,
            given_up,
        })?);
    }
    Ok(output.line(&summary_line(run, step, &given_up))?)
}

fn summary_line(run: &str, step: u64, given_up: &[u64]) -> String {
    let steps: Vec<_> = given_up.iter().map(ToString::to_string).collect();
    let lost = match steps.as_slice() {
        [] => "there was no later checkpoint".to_owned(),
        [one] => format!("removed the checkpoint of step {one}"),
        several => format!("removed the checkpoints of steps {}", several.join(", ")),
    };
    format!("{run} is back at step {step}; {lost}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_up_is_named() {
        for (given_up, end) in [
            (&[][..], "there was no later checkpoint"),
            (&[30], "removed the checkpoint of step 30"),
            (&[30, 40], "removed the checkpoints of steps 30, 40"),
        ] {
            let line = summary_line("/r", 20, given_up);
            assert_eq!(line, format!("/r is back at step 20; {end}"));
        }
    }
}
