//! `fratmae pretrain`: the whole job on this machine, from one command.

pub(crate) mod data;

use anyhow::{Context as _, Result};
use clap::Args;
use fratmae_config::Config;
use fratmae_coordinator::Launcher;

use crate::{
    commands::{
        job::Job,
        lead::{Showing, Workers, lead},
    },
    logging::Logging,
    output::Output,
};

/// Trains on this machine: prepares the data if need be, starts a coordinator and its workers, and reports the end.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae pretrain --config configs/quickstart.toml
  fratmae pretrain --config configs/quickstart.toml --workers 4 --run runs/four --set train.steps=100
  fratmae pretrain --config configs/base.toml --data s3://bucket/autopet --run s3://bucket/run-1 --json

Running a stopped run again resumes it; a finished one prints its result again.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) job: Job,
    /// Take the run over from a coordinator that leads it and answers; without this it is left alone
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Report the end of the run as one JSON object, the last line of standard output
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(
    arguments: &Arguments,
    logging: &Logging,
    output: &mut Output,
) -> Result<()> {
    let config = arguments.job.resolve()?;
    let (quiet, json) = (!logging.shows_progress(), arguments.json);
    let launcher = launcher(&config, logging)?;
    lead(
        config,
        Workers::Here(launcher),
        arguments.take_over,
        Showing { quiet, json },
        output,
    )
    .await
}

/// How the workers are started: this same program, logging as this one does.
fn launcher(config: &Config, logging: &Logging) -> Result<Launcher> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Launcher {
        program,
        workers: config.workers.count,
        threads: threads(config, cores),
        arguments: logging.as_typed(),
        restarts_per_hour: config.workers.restarts_per_hour,
    })
}

/// Compute threads of each worker: as many as asked, else an even share of the cores.
fn threads(config: &Config, cores: usize) -> usize {
    match config.workers.threads {
        0 => (cores / config.workers.count.max(1)).max(1),
        asked => asked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_the_cores_unless_told_otherwise() {
        let mut config = Config::default();
        for (workers, cores, share) in [(2, 8, 4), (3, 8, 2), (8, 2, 1)] {
            config.workers.count = workers;
            assert_eq!(threads(&config, cores), share);
        }
        config.workers.threads = 5;
        assert_eq!(threads(&config, 8), 5);
    }
}
