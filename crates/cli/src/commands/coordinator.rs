//! `fratmae coordinator`: leads a run whose workers are started elsewhere.

use anyhow::Result;
use clap::{Args, ValueEnum};
use fratmae_coordinator::Allowed;

use crate::{
    commands::{
        fork::Forking,
        job::{Job, Named},
        run_coordinator::{OutputMode, Workers, run_coordinator},
    },
    exporting::{Exporting, MetricsOptions},
    output::Output,
};

/// Starts a coordinator for workers on other machines.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae coordinator job.toml --run runs/big --workers 4 --listen 10.0.0.1:5600
  fratmae coordinator job.toml --workers 2:8 --listen 10.0.0.1:5600

Then, on each machine: fratmae worker --coordinator http://10.0.0.1:5600")]
pub(crate) struct Arguments {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    pub(crate) job: Job,
    #[command(flatten)]
    pub(crate) forking: Forking,
    #[command(flatten)]
    pub(crate) exporting: MetricsOptions,
    /// Address to listen at (coordinator.listen)
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
    /// Address that workers connect to, if it differs from --listen (coordinator.advertise)
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) advertise: Option<String>,
    /// Replace the coordinator that leads the run even if it still answers; without this the command is refused
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Admit workers that differ, comma-separated; results may then not be bit-identical
    #[arg(long, value_enum, value_delimiter = ',', value_name = "DIFFERENCE")]
    pub(crate) allow: Vec<Difference>,
    /// Print the result as one JSON object, the last line of standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// What workers may differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Difference {
    /// Another version of the program
    Version,
    /// Another CPU type, or another kind of device (CPU or GPU)
    Kernels,
}

pub(crate) async fn run(
    arguments: &Arguments,
    quiet: bool,
    exporting: &Exporting,
    output: &mut Output,
) -> Result<()> {
    let config = arguments.job.resolve_with(
        &arguments.named,
        arguments.listen.as_ref(),
        arguments.advertise.as_ref(),
    )?;
    let json = arguments.json;
    let allowed = Allowed {
        version: arguments.allow.contains(&Difference::Version),
        kernels: arguments.allow.contains(&Difference::Kernels),
    };
    run_coordinator(
        (config, arguments.forking.resolve()?),
        Workers::Elsewhere(allowed),
        arguments.take_over,
        OutputMode { quiet, json },
        (exporting, &arguments.exporting),
        output,
    )
    .await
}
