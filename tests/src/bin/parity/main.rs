//! What `tests/parity/*.py` compares with PyTorch: one forward pass with every stage, and optimizer steps on one batch.
//!
//! - `parity forward WEIGHTS INPUTS OUT`: every stage of a forward pass, by the names of `fratmae_model::stages`.
//! - `parity step WEIGHTS INPUTS OUT JOB [f32|bf16]`: some steps.
//!
//! WEIGHTS is an exported folder, INPUTS a file of tensors (`inputs.rs`). `step` trains as the job says, on the CPU: it
//! writes `loss` and `norm` of each step, `gradient.NAME` of the first one before clipping and `parameter.NAME` after the
//! last, in torch's layouts.

mod inputs;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use fratmae_config::{Config, Precision};
use fratmae_model::{
    DeviceKind, FileTensor, FratMae, ModelConfig, Parameter, TensorFile, import, open, stages,
    to_torch, torch_shape,
};
use fratmae_pretrain::{Batch, Pretrain};
use fratmae_telemetry::LOSS;
use fratmae_trainer::{GRADIENT_NORM, Solo, StepReport};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["forward", weights, inputs, out] => forward(weights, inputs, out),
        ["step", weights, inputs, out, job] => step(weights, inputs, out, (job, Precision::F32)),
        ["step", weights, inputs, out, job, "bf16"] => {
            step(weights, inputs, out, (job, Precision::Bf16))
        }
        _ => bail!(
            "usage: parity forward WEIGHTS INPUTS OUT | parity step WEIGHTS INPUTS OUT JOB [bf16]"
        ),
    }
}

fn forward(weights: &str, inputs: &str, out: &str) -> Result<()> {
    let (config, _, flat) = read_weights(weights)?;
    let inputs = inputs::read(&read_tensors(inputs)?, &config)?;
    let device = open(DeviceKind::Cpu)?;
    let model = FratMae::from_flat(&config, &flat, &device)?;
    write(out, &stages(&model, &config, &inputs, &device)?)
}

fn step(weights: &str, inputs: &str, out: &str, (job, precision): (&str, Precision)) -> Result<()> {
    let (config, parameters, flat) = read_weights(weights)?;
    let mut batch = inputs::read(&read_tensors(inputs)?, &config)?.batch;
    if !config.contrastive {
        // Every sample has a sentence, which nothing reads then.
        batch.tokens = vec![Vec::new(); batch.n_samples()];
    }
    let mut job = Config::load(Some(Path::new(job)), &[])?;
    job.model = config;
    job.train.precision = precision;
    (job.train.batch, job.train.slots) = (batch.n_samples(), 1);
    let device = open(DeviceKind::Cpu)?;
    // A worker refuses bf16 on a CPU, which computes it slowly.
    let model = FratMae::zeros(&job.model, &device).with_precision(precision);
    let mut training = Solo::new(Pretrain::new(model, &job, 0, &device), flat, &job, device);
    let batch = Batch::Ready(batch);
    let (mut reports, mut first) = (Vec::new(), Vec::new());
    for number in 1..=job.train.steps {
        reports.push(training.step(vec![batch.clone()], &mut ())?);
        if number == 1 {
            first = training.engine().last_gradient().to_vec();
        }
    }
    let mut file = TensorFile::default();
    for (name, metric) in [("loss", LOSS), ("norm", GRADIENT_NORM.name)] {
        let of_step = |report: &StepReport| report.metrics.get(metric) as f32;
        let values: Vec<f32> = reports.iter().map(of_step).collect();
        let tensor = FileTensor::float([values.len()], values);
        file.tensors.insert(name.to_owned(), tensor);
    }
    let after = training.weights()?;
    for parameter in &parameters {
        let mut put = |kind: &str, values: &[f32]| {
            let shape = torch_shape(parameter, &job.model);
            let tensor = FileTensor::float(shape, to_torch(parameter, values));
            file.tensors
                .insert(format!("{kind}.{}", parameter.name), tensor);
        };
        put("parameter", &after[parameter.offset..][..parameter.len()]);
        if parameter.learns() {
            put("gradient", &first[parameter.gradient.clone()]);
        }
    }
    write(out, &file)
}

/// The network, its parameters and their values, of an exported folder.
fn read_weights(folder: &str) -> Result<(ModelConfig, Vec<Parameter>, Vec<f32>)> {
    let config: ModelConfig =
        serde_json::from_slice(&read(&Path::new(folder).join("config.json"))?)?;
    let parameters = FratMae::layout(&config);
    let file = read_tensors(Path::new(folder).join("model.safetensors"))?;
    let flat = import(&file, &parameters, &config)?;
    Ok((config, parameters, flat))
}

fn read_tensors(path: impl Into<PathBuf>) -> Result<TensorFile> {
    let path = path.into();
    Ok(TensorFile::read(
        &path.display().to_string(),
        &read(&path)?,
    )?)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &str, file: &TensorFile) -> Result<()> {
    std::fs::write(path, file.to_bytes()?).with_context(|| format!("cannot write {path}"))
}
