//! `fratmae model step`: a few optimizer steps on one batch, with everything that another implementation can compare.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use fratmae_model::{
    DeviceKind, FileTensor, FratMae, StageInputs, TensorFile, to_torch, torch_shape,
};
use fratmae_worker::{Rehearsal, RehearsedStep};

use crate::{
    commands::{
        exported::{read_folder, read_tensors, write_tensors},
        job::Job,
        target::here,
    },
    output::Output,
};

/// Takes optimizer steps on one batch, on the CPU.
///
/// The optimizer and its schedule are the job's (section train), the network is the folder's.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae model step --weights weights --inputs in.safetensors --out steps.safetensors --set train.steps=10

Writes `loss` and `norm` of each step, `gradient.NAME` of the first step before clipping, and `parameter.NAME` after
the last, in torch's layouts.")]
pub(crate) struct Arguments {
    /// Folder with model.safetensors and config.json
    #[arg(long, value_name = "DIR", value_parser = here())]
    weights: PathBuf,
    /// Stacks, masks and sentences
    #[arg(long, value_name = "FILE", value_parser = here())]
    inputs: PathBuf,
    /// File to write to
    #[arg(long, value_name = "FILE", value_parser = here())]
    out: PathBuf,
    /// Steps to take; train.steps of the job without it
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    #[command(flatten)]
    job: Job,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let train = arguments.job.resolve()?.train;
    let (config, parameters, flat) = read_folder(&arguments.weights)?;
    let batch = StageInputs::read(&read_tensors(&arguments.inputs)?, &config)?.batch;
    let device = fratmae_model::open(DeviceKind::Cpu)?;
    let model = FratMae::of_flat(&config, &flat, &device)?.computing_in(train.precision);
    let n_steps = arguments.steps.unwrap_or(train.steps);
    let mut rehearsal = Rehearsal::new(train, model, device)?;
    let mut steps = Vec::new();
    let mut first = Vec::new();
    for number in 1..=n_steps {
        let mut step = rehearsal
            .step(&batch)
            .with_context(|| format!("{} cannot be learned", arguments.inputs.display()))?;
        output.line(&format!(
            "step {number}: loss {}, norm {}",
            step.loss, step.norm
        ))?;
        let gradient = std::mem::take(&mut step.gradient);
        if number == 1 {
            first = gradient;
        }
        steps.push(step);
    }
    let mut file = figures(&steps);
    let after = rehearsal.flat();
    for parameter in &parameters {
        let named = |kind: &str, values: &[f32]| {
            let shape = torch_shape(parameter, &config);
            let tensor = FileTensor::float(shape, to_torch(parameter, values));
            (format!("{kind}.{}", parameter.name), tensor)
        };
        let place = parameter.offset..parameter.offset + parameter.len();
        let own = named("parameter", &after[place]);
        file.tensors.extend([own]);
        if parameter.learns() {
            let slope = named("gradient", &first[parameter.gradient.clone()]);
            file.tensors.extend([slope]);
        }
    }
    write_tensors(&arguments.out, &file)
}

fn figures(steps: &[RehearsedStep]) -> TensorFile {
    let mut file = TensorFile::default();
    let mut add = |name: &str, figure: fn(&RehearsedStep) -> f64| {
        let values: Vec<f32> = steps.iter().map(|step| figure(step) as f32).collect();
        let tensor = FileTensor::float([values.len()], values);
        file.tensors.insert(name.to_owned(), tensor);
    };
    add("loss", |step| step.loss);
    add("reconstruction", |step| step.reconstruction);
    add("contrastive", |step| step.contrastive);
    add("norm", |step| step.norm);
    file
}
