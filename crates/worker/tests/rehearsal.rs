//! Training on a GPU rehearsed on the CPU: the kernels of CubeCL, fused, tuned and compiled by LLVM as they are for CUDA,
//! beside the CPU's own in f32. `cargo xtask gpu rehearse` builds and runs it.

#![expect(clippy::print_stdout, reason = "the table is what it is run for")]

use std::path::Path;

use fratmae_config::{Decoder, Model, Precision, Text, Train, Transformer};
use fratmae_model::{Device, FratMae, Masks, Modality, PatchGrid, SlotBatch};
use fratmae_worker::{Rehearsal, RehearsedStep};

const STEPS: usize = 20;
const SAMPLES: usize = 4;

/// What losses and gradients may differ by, relatively; for losses as on a real card (`benches/gpu.py`).
const LIMITS: [(Precision, f64, f64); 2] =
    [(Precision::F32, 1e-3, 1e-4), (Precision::Bf16, 2e-2, 5e-2)];

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

fn config() -> Model {
    Model {
        stack: [4, 8, 12],
        patch: [2, 4, 4],
        encoder: Transformer {
            width: 12,
            depth: 1,
            heads: 2,
        },
        decoder: Decoder {
            width: 18,
            depth: 1,
            heads: 3,
            self_attention: true,
        },
        mlp_ratio: 2,
        embedding: 8,
        text: Text {
            width: 8,
            depth: 1,
            heads: 2,
            context: 16,
            trainable: true,
            ..Text::default()
        },
        ..Model::default()
    }
}

/// A slot that masks PET and CT in turn, and has two sentences.
fn slot(config: &Model) -> SlotBatch {
    let n_tokens = PatchGrid::new(config).n_tokens() as u32;
    let wave = |step: f32| {
        let n_voxels = SAMPLES * config.stack.iter().product::<usize>();
        let voxel = |i| 0.5 + 0.5 * (i as f32 * step).sin();
        (0..n_voxels).map(voxel).collect()
    };
    // Seven is prime to the number of tokens, so each row is a permutation.
    let order = |sample: u32| (0..n_tokens).map(|i| (7 * i + sample) % n_tokens).collect();
    let orders: Vec<Vec<u32>> = (0..SAMPLES as u32).map(order).collect();
    let masked = [Modality::Pet, Modality::Ct].into_iter().cycle();
    SlotBatch {
        pet: wave(0.37),
        ct: wave(0.11),
        masks: Masks::from_permutations(masked.take(SAMPLES).collect(), &orders, config.mask_ratio),
        tokens: (0..SAMPLES as u32)
            .map(|sample| vec![49406, 320 + sample % 2, 1126, 49407])
            .collect(),
    }
}

fn train(config: &Model, device: Device, precision: Precision) -> Vec<RehearsedStep> {
    let device = device.autodiff();
    let model = FratMae::new(config, 11, &device).computing_in(precision);
    let train = Train {
        lr: 1e-3,
        warmup: 0.0,
        steps: STEPS as u64,
        ..Train::default()
    };
    let mut rehearsal = Rehearsal::new(train, model, device).unwrap();
    let batch = slot(config);
    let step = |_| rehearsal.step(&batch).unwrap();
    (0..STEPS).map(step).collect()
}

/// The largest relative difference of a step's loss.
fn apart(found: &[RehearsedStep], expected: &[RehearsedStep]) -> f64 {
    let pairs = found.iter().zip(expected);
    let apart = pairs.map(|(found, expected)| (found.loss / expected.loss - 1.0).abs());
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

/// The larger one; what is no number is worst.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// Leaves the settings where CubeCL looks for them, which is the current folder.
fn tune_briefly() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join("cubecl.toml"), TUNING).unwrap();
    std::env::set_current_dir(folder).unwrap();
}

#[test]
fn kernels_for_gpus_learn_as_those_of_the_cpu() {
    tune_briefly();
    let config = config();
    let expected = train(&config, Device::flex(), Precision::F32);
    println!(
        "{:9} | loss    | whole gradient | worst gradient",
        "precision"
    );
    let mut beyond = Vec::new();
    for (precision, loss_limit, gradient_limit) in LIMITS {
        let found = train(&config, Device::cpu(), precision);
        let loss = apart(&found, &expected);
        let (gradient, name, whole) =
            gradients_apart(&config, &found[0].gradient, &expected[0].gradient);
        println!("{precision:9?} | {loss:7.1e} | {whole:14.1e} | {gradient:.1e} {name}");
        if !(loss <= loss_limit && gradient <= gradient_limit) {
            beyond.push((precision, loss_limit, gradient_limit));
        }
        assert!(
            precision == Precision::F32
                || found.iter().zip(&expected).all(|(a, b)| a.loss != b.loss),
            "nothing was rounded"
        );
    }
    assert!(beyond.is_empty(), "beyond the limits: {beyond:?}");
}
