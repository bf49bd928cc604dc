//! `fratmae model init`: the weights that a job begins with, as an export.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fratmae_model::FratMae;
use fratmae_store::Location;
use serde::Serialize;

use crate::{
    commands::{
        job::Values,
        owner::{self, Kind},
        target::Target,
        wait_for,
        weights_dir::write_folder,
    },
    output::Output,
};

/// Writes the initial weights of a job, and lists what was taken from which file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae model init --config quickstart --out first
  fratmae model init --set model.init_from=mae_vit_base.safetensors --out first")]
pub(crate) struct Arguments {
    /// Folder to write to, here or on a store
    #[arg(long, value_name = "URL")]
    out: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    job: Values,
}

#[derive(Serialize)]
struct Written<'a> {
    out: &'a PathBuf,
    parameters: usize,
    /// What was taken from which file, a line each.
    taken: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let config = arguments.job.resolve()?;
    let place = Location::open(&arguments.out.to_string_lossy())?;
    wait_for(owner::ensure_free(&place, Kind::Weights))?;
    let target = Target::folder(&arguments.out)?;
    let parameters = FratMae::layout(&config.model);
    let (flat, notes) = fratmae_pretrain::first_weights(&config, &parameters)?;
    write_folder(target.path(), &config.model, &parameters, &flat)?;
    wait_for(target.finish())?;
    let (out, parameters) = (&arguments.out, flat.len());
    if arguments.json {
        let taken = notes;
        return Ok(output.json(&Written {
            out,
            parameters,
            taken,
        })?);
    }
    for line in notes {
        output.line(&line)?;
    }
    Ok(output.line(&format!(
        "{}: initial weights, {parameters} parameters",
        out.display()
    ))?)
}
