//! Training on a GPU rehearsed on the CPU: the kernels of CubeCL, fused, tuned and compiled by LLVM as they are for CUDA,
//! beside the CPU's own in the same precision. `cargo xtask gpu rehearse` builds and runs it.

#![expect(clippy::print_stdout, reason = "the figures are what it is run for")]
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

#[path = "../../model/src/tests/tiny_slot.rs"]
mod tiny_slot;

use std::path::Path;

use fratmae_config::{Config, Model, Precision, Train};
use fratmae_model::{Device, FratMae, Masks, Modality, PatchGrid, SlotBatch};
use fratmae_pretrain::{Batch, Pretrain};
use fratmae_telemetry::LOSS;
use fratmae_trainer::Solo;

const STEPS: usize = 10;
const SAMPLES: usize = 2;

/// CubeCL's settings: each kernel that could be chosen is timed once, since it only has to be right here.
const TUNING: &str = "
[autotune]
level = \"minimal\"
[autotune.bench]
min_samples = 1
max_samples = 1
short_circuit_samples = 1
";

/// A gradient shorter than this part of the whole one is measured by it: a key's bias has nothing but rounding.
const SHORTEST: f64 = 1e-3;

/// One block in each encoder, for a second one has the same kernels.
fn config() -> Model {
    let mut config = tiny_slot::config();
    config.encoder.depth = 1;
    config
}

/// A slot that masks PET alone, for CT's way is the same again and would take as long.
fn slot(config: &Model) -> SlotBatch {
    tiny_slot::slot(config, &[Modality::Pet; SAMPLES])
}

/// The losses of some steps, and the gradient of the first.
struct Trained {
    losses: Vec<f64>,
    gradient: Vec<f32>,
}

fn train(model: &Model, device: Device, precision: Precision) -> Trained {
    let device = device.autodiff();
    let config = Config {
        model: model.clone(),
        train: Train {
            lr: 1e-3,
            warmup: 0.0,
            steps: STEPS as u64,
            batch: SAMPLES,
            slots: 1,
            ..Train::default()
        },
        ..Config::default()
    };
    let network = FratMae::zeros(model, &device).with_precision(precision);
    let weights = FratMae::first_values(&network.parameters(), model, 11);
    let task = Pretrain::new(network, &config, 1, &device);
    let mut training = Solo::new(task, weights, &config, device);
    let batch = Batch::Ready(slot(model));
    let mut trained = Trained {
        losses: Vec::new(),
        gradient: Vec::new(),
    };
    for _ in 0..STEPS {
        let step = training.step(vec![batch.clone()], &mut ()).unwrap();
        trained.losses.push(step.metrics.get(LOSS));
        if trained.gradient.is_empty() {
            trained.gradient = training.engine().last_gradient().to_vec();
        }
    }
    trained
}

/// The largest relative difference of a step's loss.
fn apart(found: &[f64], expected: &[f64]) -> f64 {
    let pairs = found.iter().zip(expected);
    let apart = pairs.map(|(found, expected)| (found / expected - 1.0).abs());
    apart.fold(0.0, worse)
}

/// The largest relative difference of a parameter's gradient, whose it is, and that of the whole gradient.
fn gradients_apart(config: &Model, found: &[f32], expected: &[f32]) -> (f64, String, f64) {
    let difference: Vec<f32> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    let whole = length(expected);
    let of_parameter = |parameter: fratmae_model::Parameter| {
        let own = parameter.gradient;
        let measure = length(&expected[own.clone()]).max(SHORTEST * whole);
        (length(&difference[own]) / measure, parameter.name)
    };
    let learning = FratMae::layout(config).into_iter().filter(|p| p.learns());
    let worst = learning
        .map(of_parameter)
        .reduce(|a, b| if worse(a.0, b.0) == a.0 { a } else { b })
        .unwrap();
    (worst.0, worst.1, length(&difference) / whole)
}

fn length(row: &[f32]) -> f64 {
    row.iter()
        .map(|x| f64::from(*x).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// The larger of the two; NaN counts as the largest.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// Leaves the settings where CubeCL looks for them, which is the current folder.
fn tune_briefly() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join("cubecl.toml"), TUNING).unwrap();
    std::env::set_current_dir(folder).unwrap();
}

/// Holds the GPU's kernels in a precision to what losses and the first gradient may differ by from the CPU's.
fn rehearse(precision: Precision, loss_limit: f64, gradient_limit: f64) {
    tune_briefly();
    let config = config();
    let expected = train(&config, Device::flex(), precision);
    let found = train(&config, Device::cpu(), precision);
    let loss = apart(&found.losses, &expected.losses);
    let (gradient, name, whole) = gradients_apart(&config, &found.gradient, &expected.gradient);
    println!(
        "{precision:?}: {STEPS} losses {loss:.1e} (limit {loss_limit:.0e}), first gradient {whole:.1e}, \
         worst parameter's {gradient:.1e} (limit {gradient_limit:.0e}, {name})"
    );
    assert!(loss <= loss_limit, "losses differ by {loss}");
    assert!(gradient <= gradient_limit, "{name} differs by {gradient}");
    if precision != Precision::F32 {
        let full = train(&config, Device::flex(), Precision::F32);
        let rounded = found.losses.iter().zip(full.losses).all(|(a, b)| *a != b);
        assert!(rounded, "nothing was rounded");
    }
}

#[test]
fn in_f32_gpu_kernels_learn_as_the_cpus() {
    rehearse(Precision::F32, 1e-3, 1e-4);
}

#[test]
fn in_bf16_gpu_kernels_learn_as_the_cpus() {
    rehearse(Precision::Bf16, 2e-2, 2e-2);
}
