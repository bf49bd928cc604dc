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
    checkpoints: Vec<Listed>,
}

/// A checkpoint of the list.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Listed {
    /// Its manifest can be read.
    Sound(Line),
    /// Its manifest cannot be read.
    Damaged {
        step: u64,
        generation: u64,
        damage: String,
    },
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
            Ok(manifest) => checkpoints.push(Listed::Sound(Line::of(&manifest))),
            // The run has given it up since it was listed.
            Err(CheckpointError::NotCommitted { .. }) => {}
            Err(error @ CheckpointError::Store(_)) => return Err(error.into()),
            Err(error) => checkpoints.push(Listed::Damaged {
                step: id.step.get(),
                generation: id.generation.get(),
                damage: error.to_string(),
            }),
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
            if let Listed::Sound(line) = line {
                line.weights_digest = output.digest(&line.weights_digest).to_owned();
            }
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

    fn cells(&self) -> Vec<String> {
        vec![
            self.step.to_string(),
            self.generation.to_string(),
            format!("{:.6}", self.loss),
            self.samples_seen.to_string(),
            self.parts.to_string(),
            mebibytes(self.bytes),
            self.weights_digest.clone(),
        ]
    }
}

fn table(lines: &[Listed]) -> Table {
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
        table.row(match line {
            Listed::Sound(line) => line.cells(),
            Listed::Damaged {
                step,
                generation,
                damage,
            } => {
                let unknown = || "-".to_owned();
                let mut cells = vec![step.to_string(), generation.to_string()];
                cells.extend([unknown(), unknown(), unknown(), unknown(), damage.clone()]);
                cells
            }
        });
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_and_the_digest_is_whole() {
        let line = |step| {
            Listed::Sound(Line {
                step,
                generation: 1,
                loss: 0.5,
                samples_seen: step * 8,
                parts: 2,
                bytes: 3 << 20,
                weights_digest: "abc".to_owned(),
            })
        };
        assert_eq!(
            table(&[line(20), line(1040)]).to_string(),
            "step  generation      loss  samples  parts   MiB  weights digest\n\
             \x20 20           1  0.500000      160      2  3.00  abc\n\
             1040           1  0.500000     8320      2  3.00  abc\n"
        );
    }

    #[test]
    fn a_damaged_checkpoint_has_its_line_with_what_is_wrong() {
        let damaged = Listed::Damaged {
            step: 20,
            generation: 1,
            damage: "manifest.json is damaged: it is empty".to_owned(),
        };
        let text = table(&[damaged]).to_string();
        let line = text.lines().last().unwrap();
        assert!(
            line.trim_start().starts_with("20") && line.ends_with("it is empty"),
            "{text}"
        );
    }
}
