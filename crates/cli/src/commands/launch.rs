//! `fratmae launch`: starts a run where its machines are, and asks after it there. What each place is told is the `launch`
//! crate's; the run's journal has the last word on how the run stands.

mod asked;
mod follow;
mod forecast;
mod place;
mod plan;
mod slurm;
mod start;
mod trial;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use fratmae_launch::Target;

use crate::{
    commands::job::{Job, Named},
    output::Output,
};

/// Starts a run on this machine, on Slurm or on Kubernetes, and returns.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  fratmae launch --on local quickstart
  fratmae launch --on slurm job.toml --workers 2:8
  fratmae launch plan --on local job.toml
  fratmae launch status runs/quickstart/run
  fratmae launch resize runs/quickstart/run 1
  fratmae launch stop runs/quickstart/run

Section [launch] of the job file says what each worker is given. deploy/README.md begins from nothing, for each place."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    question: Option<Question>,
    #[command(flatten)]
    wanted: Wanted,
}

/// What is to be launched, and where.
#[derive(Debug, Args)]
pub(crate) struct Wanted {
    /// Where to launch it
    #[arg(long, value_enum, value_name = "PLACE", default_value_t = On::Local)]
    on: On,
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    job: Job,
}

/// A place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum On {
    /// This machine, in the background
    Local,
    /// A Slurm cluster, with its commands
    Slurm,
    /// A Kubernetes cluster
    Kubernetes,
}

impl From<On> for Target {
    fn from(on: On) -> Self {
        match on {
            On::Local => Self::Local,
            On::Slurm => Self::Slurm,
            On::Kubernetes => Self::Kubernetes,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Show what would be submitted, and a forecast; submit nothing
    Plan(plan::Arguments),
    /// Check whether a place can run the job
    Doctor(plan::Doctor),
    /// Show how a launched run stands, and its processes
    Status(follow::Status),
    /// Show what the processes of a launched run have written
    Logs(follow::Logs),
    /// Change the number of workers while the run goes on
    Resize(follow::Resize),
    /// Stop a launched run with a checkpoint
    Stop(follow::Stop),
    /// End at once what is left of a launched run
    Reap(follow::Reap),
    /// List the launched runs of a place
    List(follow::List),
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    match &arguments.question {
        None => start::run(&arguments.wanted, output).await,
        Some(Question::Plan(arguments)) => plan::run(arguments, output),
        Some(Question::Doctor(arguments)) => plan::doctor(arguments, output).await,
        Some(Question::Status(arguments)) => follow::status(arguments, output).await,
        Some(Question::Logs(arguments)) => follow::logs(arguments, output).await,
        Some(Question::Resize(arguments)) => follow::resize(arguments, output).await,
        Some(Question::Stop(arguments)) => follow::stop(arguments, output).await,
        Some(Question::Reap(arguments)) => follow::reap(arguments, output).await,
        Some(Question::List(arguments)) => follow::list(arguments, output).await,
    }
}
