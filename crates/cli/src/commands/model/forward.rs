//! `fratmae model forward`: one forward pass with every stage kept.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use fratmae_model::{DeviceKind, FratMae, StageInputs, stages};

use crate::{
    commands::{
        exported::{read_folder, read_tensors, write_tensors},
        target::here,
    },
    output::Output,
};

/// Runs one forward pass on the CPU and keeps every stage.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae model forward --weights weights --inputs in.safetensors --out out.safetensors

docs/weights.md names inputs and outputs.")]
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
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let (config, _, flat) = read_folder(&arguments.weights)?;
    let inputs = StageInputs::read(&read_tensors(&arguments.inputs)?, &config)?;
    let device = fratmae_model::open(DeviceKind::Cpu)?;
    let model = FratMae::of_flat(&config, &flat, &device)?;
    let file = stages(&model, &config, &inputs, &device)
        .with_context(|| format!("{} cannot be run", arguments.inputs.display()))?;
    write_tensors(&arguments.out, &file)?;
    for name in ["mse_mean", "contrastive", "loss"] {
        let value = file.floats(name)?.1.first().copied().unwrap_or(f32::NAN);
        output.line(&format!("{name} {value}"))?;
    }
    Ok(())
}
