//! `fratmae model step`: a few optimizer steps on one batch, with everything that another implementation can compare.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use fratmae_config::{Config, Model};
use fratmae_model::{
    DeviceKind, FileTensor, FratMae, StageInputs, TensorFile, to_torch, torch_shape,
};
use fratmae_pretrain::{Batch, Pretrain};
use fratmae_telemetry::LOSS;
use fratmae_trainer::{GRADIENT_NORM, Solo, StepReport};
use serde::Serialize;

use crate::{
    commands::{
        job::Values,
        target::here,
        weights_dir::{read_folder, read_tensors, write_tensors},
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
    let mut job = arguments.job.resolve()?;
    let (config, parameters, flat) = read_folder(&arguments.weights)?;
    let batch = StageInputs::read(&read_tensors(&arguments.inputs)?, &config)?.batch;
    ensure!(
        !config.contrastive || !batch.tokens.is_empty(),
        "{} has no `tokens`, which the contrastive loss needs",
        arguments.inputs.display()
    );
    let n_steps = arguments.steps.unwrap_or(job.train.steps);
    job.model = config;
    (job.train.batch, job.train.slots) = (batch.n_samples(), 1);
    let mut training = training(&job, flat)?;
    let batch = Batch::Ready(batch);
    let mut steps = Vec::new();
    let mut first = Vec::new();
    for number in 1..=n_steps {
        let step = training
            .step(vec![batch.clone()], &mut ())
            .with_context(|| format!("cannot train on {}", arguments.inputs.display()))?;
        if !arguments.json {
            let [loss, norm] = [LOSS, GRADIENT_NORM.name].map(|name| step.metrics.get(name));
            output.line(&format!("step {number}: loss {loss}, norm {norm}"))?;
        }
        if number == 1 {
            first = training.engine().last_gradient().to_vec();
        }
        steps.push(step);
    }
    let taken = Taken::of(&arguments.out, &job.model, &steps);
    let mut file = taken.file();
    let after = training.weights()?;
    for parameter in &parameters {
        let named = |kind: &str, values: &[f32]| {
            let shape = torch_shape(parameter, &job.model);
            let tensor = FileTensor::float(shape, to_torch(parameter, values));
            (format!("{kind}.{}", parameter.name), tensor)
        };
        let place = parameter.offset..parameter.offset + parameter.len();
        let own = named("parameter", &after[place]);
        file.tensors.extend([own]);
        if parameter.learns() {
            let gradient = named("gradient", &first[parameter.gradient.clone()]);
            file.tensors.extend([gradient]);
        }
    }
    write_tensors(&arguments.out, &file)?;
    match arguments.json {
        true => Ok(output.json(&taken)?),
        false => Ok(()),
    }
}

/// Makes ready to train on one slot at a time, on the CPU and in any precision.
fn training(job: &Config, weights: Vec<f32>) -> Result<Solo<Pretrain>> {
    let device = fratmae_model::open(DeviceKind::Cpu)?;
    let model = FratMae::zeros(&job.model, &device).with_precision(job.train.precision);
    let task = Pretrain::new(model, job, 0, &device);
    Ok(Solo::new(task, weights, job, device))
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
    fn of(out: &'a PathBuf, model: &Model, steps: &[StepReport]) -> Self {
        let each = |name| steps.iter().map(|step| step.metrics.get(name)).collect();
        Self {
            out,
            loss: each(LOSS),
            reconstruction: each("reconstruction"),
            contrastive: match model.contrastive {
                true => each("contrastive"),
                false => vec![0.0; steps.len()],
            },
            norm: each(GRADIENT_NORM.name),
        }
    }

    fn file(&self) -> TensorFile {
        let mut file = TensorFile::default();
        for (name, figures) in [
            ("loss", &self.loss),
            ("reconstruction", &self.reconstruction),
            ("contrastive", &self.contrastive),
            ("norm", &self.norm),
        ] {
            let values: Vec<f32> = figures.iter().map(|figure| *figure as f32).collect();
            let tensor = FileTensor::float([values.len()], values);
            file.tensors.insert(name.to_owned(), tensor);
        }
        file
    }
}
