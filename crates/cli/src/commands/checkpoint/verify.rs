//! `fratmae checkpoint verify`: reads the parts of checkpoints and compares them with their digests.

use anyhow::{Result, bail};
use clap::Args;
use fratmae_checkpoint::CheckpointId;
use fratmae_store::Location;
use fratmae_telemetry::one_line;
use serde::Serialize;

use crate::{
    commands::checkpoint::{choose, listed, mebibytes},
    output::Output,
    progress::Busy,
};

/// Reads every part and checks it against its digest.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae checkpoint verify runs/quickstart/run
  fratmae checkpoint verify s3://bucket/run-1 --all --json

Exits with 1 when a part is damaged, and names it.")]
pub(crate) struct Arguments {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// Checkpoint to verify, by its step [default: the newest]
    #[arg(long, value_name = "N", conflicts_with = "all")]
    step: Option<u64>,
    /// Verify every committed checkpoint
    #[arg(long)]
    all: bool,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Verdicts {
    run: String,
    checkpoints: Vec<Verdict>,
}

#[derive(Serialize)]
struct Verdict {
    checkpoint: String,
    step: u64,
    generation: u64,
    bytes: u64,
    /// What is wrong; nothing when it is sound.
    damage: Option<String>,
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    let run = Location::open(&arguments.run)?;
    let chosen = if arguments.all {
        listed(&run).await?
    } else {
        vec![choose(&run, arguments.step).await?]
    };
    let mut checkpoints = Vec::new();
    for id in chosen {
        let _busy = Busy::start("verify", format!("reading {id}"), quiet);
        checkpoints.push(judge(&run, id).await);
    }
    let run = run.url().to_owned();
    show(&Verdicts { run, checkpoints }, arguments.json, output)
}

async fn judge(run: &Location, id: CheckpointId) -> Verdict {
    let verified = fratmae_checkpoint::verify(run, id).await;
    let (bytes, damage) = match verified {
        Ok(manifest) => (manifest.bytes(), None),
        Err(error) => (0, Some(one_line(&error))),
    };
    Verdict {
        checkpoint: id.to_string(),
        step: id.step.get(),
        generation: id.generation.get(),
        bytes,
        damage,
    }
}

fn show(verdicts: &Verdicts, json: bool, output: &mut Output) -> Result<()> {
    let checkpoints = &verdicts.checkpoints;
    if json {
        output.json(verdicts)?;
    } else {
        for verdict in checkpoints {
            output.line(&verdict.line())?;
        }
    }
    let damages: Vec<&String> = checkpoints
        .iter()
        .filter_map(|v| v.damage.as_ref())
        .collect();
    match damages.as_slice() {
        [] => Ok(()),
        [first, ..] => bail!(
            "{} of {} checkpoints damaged: {first}",
            damages.len(),
            checkpoints.len()
        ),
    }
}

impl Verdict {
    fn line(&self) -> String {
        let judgement = match &self.damage {
            None => format!("sound, {} MiB", mebibytes(self.bytes)),
            Some(damage) => format!("damaged: {damage}"),
        };
        format!("{}: {judgement}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::captured::Captured;

    fn verdicts(damages: &[Option<&str>]) -> Verdicts {
        let checkpoints = damages.iter().zip(1..).map(|(damage, step)| Verdict {
            checkpoint: format!("step-{step}"),
            step,
            generation: 1,
            bytes: 3 << 20,
            damage: damage.map(ToOwned::to_owned),
        });
        Verdicts {
            run: "/r".to_owned(),
            checkpoints: checkpoints.collect(),
        }
    }

    #[test]
    fn sound_checkpoints_pass() {
        let captured = Captured::default();
        show(&verdicts(&[None]), false, &mut captured.output()).unwrap();
        assert_eq!(captured.text(), "step-1: sound, 3.00 MiB\n");
    }

    #[test]
    fn one_damaged_checkpoint_fails_the_command_and_all_are_listed() {
        for json in [false, true] {
            let captured = Captured::default();
            let verdicts = verdicts(&[None, Some("part-00000 differs"), None]);
            let error = show(&verdicts, json, &mut captured.output()).unwrap_err();
            assert_eq!(
                error.to_string(),
                "1 of 3 checkpoints damaged: part-00000 differs"
            );
            for step in ["step-1", "step-2", "step-3"] {
                assert!(captured.text().contains(step), "{step}");
            }
        }
    }
}
