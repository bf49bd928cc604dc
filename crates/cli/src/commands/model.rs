//! `fratmae model`: the network by itself: what it costs, its first weights, pictures.

mod cost;
mod init;
pub(crate) mod picture;
mod pictures;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{commands::wait_for, output::Output};

/// Shows the network's parts and cost.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  fratmae model --config base
  fratmae model --set model.preset=small --json
  fratmae model picture runs/quickstart/run --out case.png")]
pub(crate) struct Arguments {
    #[command(flatten)]
    cost: cost::Arguments,
    #[command(subcommand)]
    question: Option<Question>,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Write the initial weights of a job, and list what was taken from which file
    Init(init::Arguments),
    /// Draw what a run makes of a case: input, visible part, reconstruction and error of both modalities
    Picture(picture::Arguments),
    /// Draw what a run makes of some cases, beside the run: its page shows them
    Pictures(pictures::Arguments),
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    match &arguments.question {
        None => cost::run(&arguments.cost, output),
        Some(Question::Init(arguments)) => init::run(arguments, output),
        Some(Question::Picture(arguments)) => wait_for(picture::run(arguments, output)),
        Some(Question::Pictures(arguments)) => wait_for(pictures::run(arguments, output)),
    }
}
