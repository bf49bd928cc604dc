//! `fratmae model`: the network by itself: what it costs, its first weights, one forward pass, a few steps, pictures.

mod cost;
mod forward;
mod init;
mod picture;
mod step;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{commands::wait_for, output::Output};

/// Shows what a network is made of and what it costs.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  fratmae model --config configs/base.toml
  fratmae model --set model.preset=small --json
  fratmae model forward --weights weights --inputs in.safetensors --out out.safetensors")]
pub(crate) struct Arguments {
    #[command(flatten)]
    cost: cost::Arguments,
    #[command(subcommand)]
    question: Option<Question>,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Run one forward pass on given inputs and keep every stage, to compare with other implementations
    Forward(forward::Arguments),
    /// Take optimizer steps on given inputs and keep losses, gradients and weights, likewise
    Step(step::Arguments),
    /// Write the weights that a job begins with, and tell what was taken from which file
    Init(init::Arguments),
    /// Draw what a run makes of a case: input, visible part, reconstruction and error of both modalities
    Picture(picture::Arguments),
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    match &arguments.question {
        None => cost::run(&arguments.cost, output),
        Some(Question::Forward(arguments)) => forward::run(arguments, output),
        Some(Question::Step(arguments)) => step::run(arguments, output),
        Some(Question::Init(arguments)) => init::run(arguments, output),
        Some(Question::Picture(arguments)) => wait_for(picture::run(arguments, output)),
    }
}
