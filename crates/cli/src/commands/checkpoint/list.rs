//! `fratmae checkpoint list`: one line for each committed checkpoint.

use anyhow::Result;
use clap::Args;
use fratmae_checkpoint::{CheckpointError, Manifest};
use fratmae_store::Location;
use serde::Serialize;

use crate::{
    commands::checkpoint::{listed, mebibytes, none_yet},
    output::Output,
    table::Table,
};

/// Lists the committed checkpoints.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae checkpoint list runs/quickstart/run
  fratmae checkpoint list s3://bucket/run-1 --json")]
pub(crate) struct Arguments {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Listing {
    run: String,
    checkpoints: Vec<Line>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Line {
    step: u64,
    generation: u64,
    loss: f64,
    samples_seen: u64,
    parts: usize,
    bytes: u64,
    weights_digest: String,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let run = Location::open(&arguments.run)?;
    let mut checkpoints = Vec::new();
    for id in listed(&run).await? {
        match fratmae_checkpoint::load_manifest(&run, id).await {
            Ok(manifest) => checkpoints.push(Line::of(&manifest)),
            // The run has given it up since it was listed.
            Err(CheckpointError::NotCommitted { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let run = run.url().to_owned();
    let mut listing = Listing { run, checkpoints };
    if arguments.json {
        Ok(output.json(&listing)?)
    } else if listing.checkpoints.is_empty() {
        Ok(output.line(&none_yet(&listing.run))?)
    } else {
        for line in &mut listing.checkpoints {
            line.weights_digest = output.digest(&line.weights_digest).to_owned();
        }
        Ok(output.table(&table(&listing.checkpoints))?)
    }
}

impl Line {
    fn of(manifest: &Manifest) -> Self {
        Self {
            step: manifest.step,
            generation: manifest.generation,
            loss: manifest.loss,
            samples_seen: manifest.samples_seen,
            parts: manifest.parts.len(),
            bytes: manifest.bytes(),
            weights_digest: manifest.weights_digest.clone(),
        }
    }
}

fn table(lines: &[Line]) -> Table {
    let mut table = Table::new(&[
        "step#",
        "generation#",
        "loss#",
        "samples#",
        "parts#",
        "MiB#",
        "weights digest",
    ]);
    for line in lines {
        table.row(vec![
            line.step.to_string(),
            line.generation.to_string(),
            format!("{:.6}", line.loss),
            line.samples_seen.to_string(),
            line.parts.to_string(),
            mebibytes(line.bytes),
            line.weights_digest.clone(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_and_the_digest_is_whole() {
        let line = |step| Line {
            step,
            generation: 1,
            loss: 0.5,
            samples_seen: step * 8,
            parts: 2,
            bytes: 3 << 20,
            weights_digest: "abc".to_owned(),
        };
        assert_eq!(
            table(&[line(20), line(1040)]).to_string(),
            "step  generation      loss  samples  parts   MiB  weights digest\n\
             \x20 20           1  0.500000      160      2  3.00  abc\n\
             1040           1  0.500000     8320      2  3.00  abc\n"
        );
    }
}
