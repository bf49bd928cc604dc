//! What a step of pretraining promises: it learns a batch by heart, and the same steps give the same bits.

use crate::{Batch, METRICS, Pretrain};
use fratmae_config::{Config, Decoder, Model, Text, Train, Transformer};
use fratmae_model::{Device, DeviceKind, FratMae, Masks, Modality, SlotBatch};
use fratmae_telemetry::LOSS;
use fratmae_trainer::{Solo, StepReport};

fn config() -> Model {
    Model {
        stack: [4, 8, 12],
        patch: [2, 4, 4],
        encoder: Transformer {
            width: 24,
            depth: 2,
            heads: 2,
        },
        decoder: Decoder {
            width: 24,
            depth: 1,
            heads: 2,
            ..Decoder::default()
        },
        embedding: 8,
        text: Text {
            width: 8,
            depth: 1,
            heads: 2,
            context: 16,
            ..Text::default()
        },
        ..Model::default()
    }
}

/// Two samples of noise, one masking PET and one CT.
fn batch() -> SlotBatch {
    let noise = |seed: u32| {
        (0..768_u32)
            .map(|i| ((i + seed).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32)
            .collect()
    };
    SlotBatch {
        pet: noise(1),
        ct: noise(10_000),
        masks: Masks {
            modality: vec![Modality::Pet, Modality::Ct],
            keep: vec![vec![0, 3, 5, 7, 8, 11], vec![1, 2, 4, 6, 9, 10]],
            ..Masks::default()
        },
        tokens: vec![vec![49406, 320, 49407], vec![49406, 321, 49407]],
    }
}

fn device() -> Device {
    fratmae_model::open(DeviceKind::Cpu).unwrap()
}

/// Trains on global batches of one slot with so many samples.
fn training(model: &Model, train: Train, n_samples: usize) -> Solo<Pretrain> {
    let config = Config {
        model: model.clone(),
        train: Train {
            batch: n_samples,
            slots: 1,
            ..train
        },
        ..Config::default()
    };
    let device = device();
    let network = FratMae::zeros(model, &device);
    let weights = FratMae::first_values(&network.parameters(), model, 4);
    let task = Pretrain::new(network, &config, 1, &device);
    Solo::new(task, weights, &config, device)
}

fn step(training: &mut Solo<Pretrain>, batch: &SlotBatch) -> StepReport {
    let slots = vec![Batch::Ready(batch.clone())];
    training.step(slots, &mut ()).unwrap()
}

fn loss(step: &StepReport) -> f64 {
    step.metrics.get(LOSS)
}

#[test]
fn a_step_has_the_metrics_that_are_declared_in_their_order() {
    let step = step(&mut training(&config(), Train::default(), 2), &batch());
    let names: Vec<_> = step.metrics.iter().map(|(name, _)| name).collect();
    assert_eq!(names, METRICS.map(|metric| metric.name));
}

#[test]
fn one_batch_is_learnt_by_heart() {
    let train = Train {
        steps: 400,
        lr: 4e-3,
        ..Train::default()
    };
    let batch = batch();
    let mut training = training(&config(), train, 2);
    // The variance of uniform noise is a twelfth.
    let limit = 0.01 / 12.0;
    let first = step(&mut training, &batch);
    assert!(
        first.metrics.get("reconstruction") > 50.0 * limit,
        "{first:?}"
    );
    let mut last = first;
    for _ in 1..400 {
        last = step(&mut training, &batch);
        let [error, contrastive] =
            ["reconstruction", "contrastive"].map(|name| last.metrics.get(name));
        if error < limit && contrastive < 0.1 {
            return;
        }
    }
    panic!("the error should be below {limit}, InfoNCE below 0.1: {last:?}");
}

#[test]
fn the_same_steps_give_the_same_bits() {
    let run = || {
        let mut training = training(&config(), Train::default(), 2);
        let losses = [(); 3].map(|()| loss(&step(&mut training, &batch())).to_bits());
        let weights = training.weights().unwrap();
        let bits: Vec<u32> = weights.iter().map(|x| x.to_bits()).collect();
        (losses, bits)
    };
    assert!(run() == run());
}

#[test]
fn frozen_parameters_stay() {
    let mut frozen = config();
    frozen.text.trainable = false;
    // A first step large enough to show in every number.
    let train = Train {
        steps: 10,
        lr: 1e-2,
        ..Train::default()
    };
    let mut training = training(&frozen, train, 2);
    let before = training.weights().unwrap().into_owned();
    step(&mut training, &batch());
    let after = training.weights().unwrap();
    for parameter in training.engine().parameters() {
        let place = parameter.offset..parameter.offset + parameter.len();
        let moved = before[place.clone()] != after[place];
        let learns = parameter.learns();
        assert_eq!(moved, learns, "{}", parameter.name);
    }
}

#[test]
fn without_contrast_the_loss_is_the_reconstruction() {
    let plain = Model {
        contrastive: false,
        ..config()
    };
    let mut training = training(&plain, Train::default(), 2);
    let step = step(&mut training, &batch());
    assert_eq!(loss(&step), step.metrics.get("reconstruction"));
    assert!(step.metrics.get("contrastive").is_nan());
    assert!(step.metrics.get("gradient_norm") > 0.0);
}

/// Cases of which PET and CT show the same body: a bright block at a place that differs between cases.
fn twins(first: usize, n: usize) -> SlotBatch {
    let mut batch = SlotBatch::default();
    for case in first..first + n {
        let corner = [case % 3, case / 3 % 2 * 4, case / 6 % 3 * 4];
        let mut stack = vec![0.1; 4 * 8 * 12];
        for at in 0..2 * 4 * 4 {
            let (d, h, w) = (
                corner[0] + at / 16,
                corner[1] + at / 4 % 4,
                corner[2] + at % 4,
            );
            stack[(d.min(3) * 8 + h) * 12 + w] = 0.9;
        }
        batch.pet.extend(&stack);
        batch.ct.extend(stack.iter().map(|x| 1.0 - x));
        batch
            .masks
            .modality
            .push([Modality::Pet, Modality::Ct][case % 2]);
        // Three of twelve tokens stay: what is hidden must be asked of the twin.
        let keep = (0..3).map(|i| (case as u32 * 5 + i * 4) % 12).collect();
        batch.masks.keep.push(keep);
        batch.tokens.push(vec![49406, 320, 49407]);
    }
    batch
}

#[test]
fn a_decoder_that_looks_at_another_cases_twin_does_worse() {
    let plain = Model {
        contrastive: false,
        ..config()
    };
    let train = Train {
        steps: 600,
        lr: 3e-3,
        ..Train::default()
    };
    let mut training = training(&plain, train, 18);
    for _ in 0..600 {
        step(&mut training, &twins(0, 18));
    }
    let device = device();
    let trained = FratMae::from_flat(&plain, &training.weights().unwrap(), &device).unwrap();
    let error = |batch: &SlotBatch| {
        let forward = trained.forward(batch, &device).unwrap();
        forward.stats().unwrap().reconstruction()
    };
    let own = twins(0, 18);
    let mut shuffled = own.clone();
    // The whole modality of each sample becomes that of another case; the masked one, the target, stays.
    for sample in 0..18 {
        let (to, from) = (sample * 384..(sample + 1) * 384, (sample + 7) % 18 * 384);
        let from = from..from + 384;
        match own.masks.modality[sample] {
            Modality::Pet => shuffled.ct[to].copy_from_slice(&own.ct[from]),
            Modality::Ct => shuffled.pet[to].copy_from_slice(&own.pet[from]),
        }
    }
    let (own, shuffled) = (error(&own), error(&shuffled));
    assert!(shuffled > 2.0 * own, "{shuffled} is not far above {own}");
}
