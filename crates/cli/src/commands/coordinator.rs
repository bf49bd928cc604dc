//! `fratmae coordinator`: leads a run whose workers are started elsewhere.

use anyhow::Result;
use clap::{Args, ValueEnum};
use fratmae_coordinator::Allowed;

use crate::{
    commands::{
        job::Job,
        lead::{Showing, Workers, lead},
    },
    output::Output,
};

/// Leads a run whose workers come from elsewhere.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae coordinator --config configs/base.toml --run s3://bucket/run --workers 8 --listen 10.0.0.1:5600
  fratmae coordinator --config configs/base.toml --run s3://bucket/run --workers 2:8 --listen 0.0.0.0:5600 --advertise 10.0.0.1:5600
  (then, on each machine: fratmae worker --coordinator http://10.0.0.1:5600)")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) job: Job,
    /// Address to listen at (coordinator.listen)
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
    /// Address that workers are told, if it is not the one to listen at (coordinator.advertise)
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) advertise: Option<String>,
    /// Take the run over from a coordinator that leads it and answers; without this it is left alone
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Take in workers of another version, whose CPUs run other kernels, or that train on another kind of device; the bits may then differ
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "version,kernels"
    )]
    pub(crate) allow: Vec<Difference>,
    /// Report the end of the run as one JSON object, the last line of standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// What workers may differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Difference {
    /// The version of the program.
    Version,
    /// The kernel set of the CPU.
    Kernels,
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, output: &mut Output) -> Result<()> {
    let config = arguments
        .job
        .resolve_with(arguments.listen.as_ref(), arguments.advertise.as_ref())?;
    let json = arguments.json;
    let allowed = Allowed {
        version: arguments.allow.contains(&Difference::Version),
        kernels: arguments.allow.contains(&Difference::Kernels),
    };
    lead(
        config,
        Workers::Elsewhere(allowed),
        arguments.take_over,
        Showing { quiet, json },
        output,
    )
    .await
}
