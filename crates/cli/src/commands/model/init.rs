//! `fratmae model init`: the weights that a job begins with, as an export.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fratmae_model::FratMae;
use fratmae_store::Location;

use crate::{
    commands::{
        exported::write_folder,
        job::Job,
        owner::{self, Kind},
        target::Target,
        wait_for,
    },
    output::Output,
};

/// Writes the weights that a job begins with, and tells what was taken from which file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae model init --config configs/quickstart.toml --out first
  fratmae model init --set model.init_from=mae_vit_base.safetensors --out first")]
pub(crate) struct Arguments {
    /// Folder to write to, here or on a store
    #[arg(long, value_name = "URL")]
    out: PathBuf,
    #[command(flatten)]
    job: Job,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let config = arguments.job.resolve()?;
    let place = Location::open(&arguments.out.to_string_lossy())?;
    wait_for(owner::ensure_free(&place, Kind::Weights))?;
    let target = Target::of(&arguments.out)?;
    let parameters = FratMae::layout(&config.model);
    let (flat, told) = fratmae_worker::first_weights(&config, &parameters)?;
    write_folder(target.path(), &config.model, &parameters, &flat)?;
    wait_for(target.finish())?;
    for line in told {
        output.line(&line)?;
    }
    let n = flat.len();
    let line = format!("{}: first weights, {n} parameters", arguments.out.display());
    Ok(output.line(&line)?)
}
