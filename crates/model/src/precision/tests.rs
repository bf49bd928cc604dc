//! What bf16 rounds and what it leaves alone, and that a model learns in it as it does in f32.

use burn::tensor::{DType, Device, Tensor};

use super::*;
use crate::tests::tiny;

/// What f32 tells from one, and bf16 does not.
const NEXT: f32 = 1.0 + 1.0 / 512.0;

fn scalar(value: f32) -> Tensor<2> {
    Tensor::from_data([[value]], &Device::flex().autodiff())
}

fn value<const D: usize>(tensor: Tensor<D>) -> f32 {
    assert_eq!(tensor.dtype(), DType::F32);
    tensor.into_scalar()
}

#[test]
fn both_sides_of_a_product_are_rounded() {
    for (precision, expected) in [(Precision::F32, NEXT), (Precision::Bf16, 1.0)] {
        let product = |left, right| value(product(scalar(left), scalar(right), precision));
        assert_eq!(
            (product(NEXT, 1.0), product(1.0, NEXT)),
            (expected, expected)
        );
    }
}

#[test]
fn the_bias_is_not_rounded() {
    let bias = scalar(NEXT).reshape([1]);
    let sum = mixed_linear(scalar(NEXT), scalar(1.0), Some(bias), Precision::Bf16);
    assert_eq!(value(sum), 1.0 + NEXT);
}

#[test]
fn the_gradients_of_a_weights_uses_are_summed_in_f32() {
    let weight = scalar(1.0).require_grad();
    let used = |row| mixed_linear(scalar(row), weight.clone(), None, Precision::Bf16);
    let gradients = (used(256.0) + used(1.0)).backward();
    // bf16 has 256 and 258 and nothing between.
    assert_eq!(value(weight.grad(&gradients).unwrap()), 257.0);
}

#[test]
fn every_product_of_the_network_follows() {
    let mut config = tiny::config();
    for shared in [false, true] {
        config.shared_encoders = shared;
        let model = FratMae::new(&config, 11, &tiny::device());
        let shown = |precision| format!("{:?}", model.clone().with_precision(precision));
        let (full, half) = (shown(Precision::F32), shown(Precision::Bf16));
        let count = |text: &str, word| text.matches(word).count();
        assert_eq!(count(&half, "precision: F32"), 0);
        assert_eq!(
            count(&half, "precision: Bf16"),
            count(&full, "precision: F32")
        );
    }
}

#[test]
fn a_model_learns_in_bf16_as_in_f32() {
    let batch = tiny::batch(4);
    let learn = |precision| {
        let model = FratMae::new(&tiny::config(), 11, &tiny::device());
        tiny::descend(model.with_precision(precision), &batch, 20).1
    };
    let (full, half) = (learn(Precision::F32), learn(Precision::Bf16));
    let apart = full.iter().zip(&half).map(|(a, b)| ((b - a) / a).abs());
    let worst = apart.fold(0.0, f64::max);
    assert!(worst < 2e-2, "{worst}: {full:?} and {half:?}");
    assert!(
        full.iter().zip(&half).all(|(a, b)| a != b),
        "nothing was rounded"
    );
    assert!(half[19] < 0.9 * half[0], "{half:?}");
}

#[test]
fn gradients_in_bf16_point_where_those_in_f32_do() {
    let model = FratMae::new(&tiny::config(), 11, &tiny::device());
    let batch = tiny::batch(4);
    let (_, full) = tiny::loss_and_gradient(&model, &batch);
    let half = tiny::loss_and_gradient(&model.clone().with_precision(Precision::Bf16), &batch).1;
    let length = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>().sqrt();
    let whole = length(&full);
    // The temperature's gradient is not the network's.
    let is_own = |p: &&crate::Parameter| p.learns() && p.name != "logit_scale";
    for parameter in model.parameters().iter().filter(is_own) {
        let own = parameter.gradient.clone();
        let (full, half) = (&full[own.clone()], &half[own]);
        let apart: Vec<f32> = full.iter().zip(half).map(|(a, b)| a - b).collect();
        // No softmax changes with a key's bias: its gradient is nothing but rounding.
        let (apart, allowed) = (length(&apart), 5e-2 * length(full) + 1e-3 * whole);
        assert!(
            apart < allowed,
            "{}: {apart} of {}",
            parameter.name,
            length(full)
        );
        assert_ne!(full, half, "{}", parameter.name);
    }
}

#[test]
fn a_frozen_text_encoder_reads_again_in_other_numbers() {
    let mut config = tiny::config();
    config.text.trainable = false;
    let model = FratMae::new(&config, 11, &tiny::device());
    let (batch, device) = (tiny::batch(2), tiny::device());
    let read = |model: &FratMae| {
        model
            .forward(&batch, &device)
            .unwrap()
            .embeddings()
            .unwrap()
            .1
    };
    let full = read(&model);
    assert_ne!(full, read(&model.clone().with_precision(Precision::Bf16)));
    assert_eq!(full, read(&model));
}
