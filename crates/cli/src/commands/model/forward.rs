//! `fratmae model forward`: one forward pass with every stage kept.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use fratmae_model::{DeviceKind, FratMae, StageInputs, stages};
use serde::Serialize;

use crate::{
    commands::{
        target::here,
        weights_dir::{read_folder, read_tensors, write_tensors},
    },
    output::Output,
};

/// Runs one forward pass on the CPU and writes every stage.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae model forward --weights weights --inputs in.safetensors --out out.st

docs/weights.md describes inputs and outputs.")]
pub(crate) struct Arguments {
    /// Folder with model.safetensors and config.json
    #[arg(long, value_name = "DIR", value_parser = here())]
    weights: PathBuf,
    /// Stacks, masks and sentences
    #[arg(long, value_name = "FILE", value_parser = here())]
    inputs: PathBuf,
    /// File to write the stages to
    #[arg(long, value_name = "FILE", value_parser = here())]
    out: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Losses<'a> {
    out: &'a PathBuf,
    reconstruction: f32,
    contrastive: f32,
    loss: f32,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let (config, _, flat) = read_folder(&arguments.weights)?;
    let inputs = StageInputs::read(&read_tensors(&arguments.inputs)?, &config)?;
    let device = fratmae_model::open(DeviceKind::Cpu)?;
    let model = FratMae::from_flat(&config, &flat, &device)?;
    let file = stages(&model, &config, &inputs, &device)
        .with_context(|| format!("{} cannot be run", arguments.inputs.display()))?;
    write_tensors(&arguments.out, &file)?;
    let figure = |name| -> Result<f32> {
        let values = file.floats(name)?.1;
        Ok(values.first().copied().unwrap_or(f32::NAN))
    };
    let losses = Losses {
        out: &arguments.out,
        reconstruction: figure("mse_mean")?,
        contrastive: figure("contrastive")?,
        loss: figure("loss")?,
    };
    if arguments.json {
        return Ok(output.json(&losses)?);
    }
    output.line(&format!("reconstruction {}", losses.reconstruction))?;
    output.line(&format!("contrastive {}", losses.contrastive))?;
    Ok(output.line(&format!("loss {}", losses.loss))?)
}
