//! `fratmae checkpoint save`: makes a running run save a checkpoint now.

use anyhow::Result;
use clap::Args;
use fratmae_store::Location;
use serde::Serialize;

use crate::{output::Output, progress::Busy};

/// Makes a running run save a checkpoint now, and waits until it is stored; training continues.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae checkpoint save runs/quickstart/run
  fratmae checkpoint save s3://bucket/run-1 --json

The run's coordinator must be reachable from here. checkpoint.every_s saves checkpoints by time.")]
pub(crate) struct Arguments {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Saved<'a> {
    run: &'a str,
    step: u64,
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    let run = Location::open(&arguments.run)?;
    let step = {
        let _busy = Busy::start("save", "waiting until it is stored", quiet);
        fratmae_coordinator::save(&run).await?
    };
    let run = run.url();
    if arguments.json {
        return Ok(output.json(&Saved { run, step })?);
    }
    Ok(output.line(&format!("{run}: checkpoint at step {step}"))?)
}
