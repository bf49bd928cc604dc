//! `fratmae checkpoint`: lists and verifies the checkpoints of a run, saves one, or resets the run to one.

pub(crate) mod list;
pub(crate) mod rollback;
pub(crate) mod save;
pub(crate) mod show;
pub(crate) mod verify;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use fratmae_checkpoint::{CheckpointId, newest_of};
use fratmae_store::Location;

use crate::output::Output;

/// Lists and verifies the checkpoints of a run, saves one, or resets the run to one.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// List the committed checkpoints, oldest first
    List(list::Arguments),
    /// Show the manifest of one checkpoint
    Show(show::Arguments),
    /// Read every part and check it against its digest
    Verify(verify::Arguments),
    /// Make a running run save a checkpoint now
    Save(save::Arguments),
    /// Reset a stopped run to a checkpoint
    Rollback(rollback::Arguments),
}

impl Arguments {
    /// Whether it asks more of a run than to be seen.
    pub(crate) const fn gives_orders(&self) -> bool {
        matches!(self.question, Question::Save(_) | Question::Rollback(_))
    }
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    match &arguments.question {
        Question::List(arguments) => list::run(arguments, output).await,
        Question::Show(arguments) => show::run(arguments, output).await,
        Question::Verify(arguments) => verify::run(arguments, quiet, output).await,
        Question::Save(arguments) => save::run(arguments, quiet, output).await,
        Question::Rollback(arguments) => rollback::run(arguments, output).await,
    }
}

/// The checkpoint at `step`, or the newest one.
async fn choose(run: &Location, step: Option<u64>) -> Result<CheckpointId> {
    let committed = listed(run).await?;
    let chosen = match step {
        Some(step) => committed.iter().rfind(|id| id.step.get() == step).copied(),
        None => newest_of(&committed),
    };
    chosen.with_context(|| match step {
        Some(step) => format!(
            "{0} has no checkpoint at step {step}; `fratmae checkpoint list {0}` lists those it has",
            run.url()
        ),
        None => none_yet(run.url()),
    })
}

fn none_yet(run: &str) -> String {
    format!("{run} has no checkpoint yet")
}

/// The committed checkpoints; refuses a folder or an address that holds neither a run nor a checkpoint.
async fn listed(run: &Location) -> Result<Vec<CheckpointId>> {
    let committed = fratmae_checkpoint::list(run).await?;
    if committed.is_empty() {
        fratmae_coordinator::ensure_run(run).await?;
    }
    Ok(committed)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 / f64::from(1 << 20))
}
