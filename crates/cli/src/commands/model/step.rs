//! `fratmae model step`: a few optimizer steps on one batch, with everything that another implementation can compare.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use fratmae_model::{
    DeviceKind, FileTensor, FratMae, StageInputs, TensorFile, to_torch, torch_shape,
};
use fratmae_worker::{Rehearsal, RehearsedStep};
use serde::Serialize;

use crate::{
    commands::{
        exported::{read_folder, read_tensors, write_tensors},
        job::Values,
        target::here,
    },
    output::Output,
};

/// Takes optimizer steps on one batch, on the CPU.
///
/// Optimizer and schedule are the job's (section train), the network is that of the folder.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae model step --weights weights --inputs in.st --steps 3 --out steps.st

Writes `loss` and `norm` of each step, `gradient.NAME` of the first step before clipping, and `parameter.NAME` after the last, in torch's layouts.")]
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
    /// Steps to take [default: train.steps of the job]
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// One JSON object at the end instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    job: Values,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let train = arguments.job.resolve()?.train;
    let (config, parameters, flat) = read_folder(&arguments.weights)?;
    let batch = StageInputs::read(&read_tensors(&arguments.inputs)?, &config)?.batch;
    ensure!(
        !config.contrastive || !batch.tokens.is_empty(),
        "{} has no `tokens`, which the contrastive loss needs",
        arguments.inputs.display()
    );
    let device = fratmae_model::open(DeviceKind::Cpu)?;
    let model = FratMae::of_flat(&config, &flat, &device)?.computing_in(train.precision);
    let n_steps = arguments.steps.unwrap_or(train.steps);
    let mut rehearsal = Rehearsal::new(train, model, device)?;
    let mut steps = Vec::new();
    let mut first = Vec::new();
    for number in 1..=n_steps {
        let mut step = rehearsal
            .step(&batch)
            .with_context(|| format!("cannot train on {}", arguments.inputs.display()))?;
        if !arguments.json {
            let RehearsedStep { loss, norm, .. } = &step;
            output.line(&format!("step {number}: loss {loss}, norm {norm}"))?;
        }
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
    write_tensors(&arguments.out, &file)?;
    match arguments.json {
        true => Ok(output.json(&Taken::of(&arguments.out, &steps))?),
        false => Ok(()),
    }
}

#[derive(Serialize)]
struct Taken<'a> {
    out: &'a PathBuf,
    loss: Vec<f64>,
    reconstruction: Vec<f64>,
    contrastive: Vec<f64>,
    norm: Vec<f64>,
}

impl<'a> Taken<'a> {
    fn of(out: &'a PathBuf, steps: &[RehearsedStep]) -> Self {
        let each = |figure: fn(&RehearsedStep) -> f64| steps.iter().map(figure).collect();
        Self {
            out,
            loss: each(|step| step.loss),
            reconstruction: each(|step| step.reconstruction),
            contrastive: each(|step| step.contrastive),
            norm: each(|step| step.norm),
        }
    }
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
