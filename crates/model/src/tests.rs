//! What holds of the model as its users see it: the same bits again, whatever runs beside it, and that it learns.

use crate::tests::reference::Reference;
use crate::{FratMae, Masks, Modality, ModelConfig, PatchGrid, SlotBatch, Tensor};

mod reference;
pub(crate) mod tiny;
mod tiny_slot;

fn model(config: &ModelConfig) -> FratMae {
    FratMae::new(config, 11, &tiny::device())
}

#[test]
fn the_model_computes_what_the_formulas_say() {
    let mut config = tiny::config();
    config.decoder.depth = 2;
    config.text.depth = 2;
    let mut model = model(&config);
    // Larger weights than the first ones, so that no branch is negligible and no bias is zero.
    let flat = model.to_flat();
    let stir = |(i, x): (usize, &f32)| 2.0 * x + 0.1 * (i as f32 * 0.7).sin();
    model = model
        .with_flat(&flat.iter().enumerate().map(stir).collect::<Vec<_>>())
        .unwrap();
    let batch = tiny::batch(4);
    let out = model.forward(&batch, &tiny::device()).unwrap();
    let stats = out.stats().unwrap();
    let reference = Reference::new(&model, &config);
    let (mut pet, mut ct) = (0.0, 0.0);
    for sample in 0..4 {
        let expected = reference.sample(&batch, sample);
        let masked = if sample % 2 == 0 { &mut pet } else { &mut ct };
        *masked += expected.error;
        assert_row(&out.pet_embedding, sample, &expected.pet_embedding);
        assert_row(&out.text_embedding, sample, &expected.text_embedding);
    }
    for (found, expected) in [(stats.pet, pet), (stats.ct, ct)] {
        let relative = (found.squared_error / expected - 1.0).abs();
        assert!(relative < 1e-5, "{} is not {expected}", found.squared_error);
    }
}

fn assert_row(found: &Tensor<2>, row: usize, expected: &[f64]) {
    let found: Vec<f32> = found.clone().try_into_vec_as().unwrap();
    for (a, b) in found[row * expected.len()..].iter().zip(expected) {
        assert!(
            (f64::from(*a) - b).abs() < 1e-5,
            "row {row}: {a} is not {b}"
        );
    }
}

#[test]
fn gradients_have_the_same_bits_for_any_number_of_threads() {
    // Large enough that burn splits its matrix products and row operations over threads.
    let mut config = tiny::config();
    config.stack = [16, 48, 80];
    config.patch = [8, 8, 8];
    config.encoder.width = 96;
    config.decoder.width = 96;
    config.decoder.heads = 4;
    let batch = tiny::slot(&config, 4);
    let run = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads);
        pool.build().unwrap().install(|| {
            let (loss, gradient) = tiny::loss_and_gradient(&model(&config), &batch);
            let bits: Vec<u32> = gradient.iter().map(|x| x.to_bits()).collect();
            (loss.to_bits(), bits)
        })
    };
    let one = run(1);
    for n_threads in [2, 3, 5] {
        assert!(run(n_threads) == one, "{n_threads} threads");
    }
}

#[test]
fn gradients_have_the_same_bits_when_activations_are_computed_again() {
    let kept = model(&tiny::config());
    let recomputed = kept.clone().with_activation_checkpointing(true);
    let batch = tiny::batch(4);
    assert!(tiny::loss_and_gradient(&kept, &batch) == tiny::loss_and_gradient(&recomputed, &batch));
}

#[test]
fn weights_go_into_the_model_and_come_out_without_a_copy() {
    let mut model = model(&tiny::config());
    let flat = model.unload().unwrap();
    let (place, values) = (flat.as_ptr(), flat.clone());
    model.load(flat).unwrap();
    tiny::loss_and_gradient(&model, &tiny::batch(2));
    let back = model.unload().unwrap();
    assert_eq!((back.as_ptr(), back), (place, values));
}

#[test]
fn gradients_do_not_depend_on_what_ran_before() {
    let model = model(&tiny::config());
    let fresh = tiny::loss_and_gradient(&model, &tiny::batch(4)).1;
    tiny::loss_and_gradient(&model, &tiny::batch(3));
    assert!(tiny::loss_and_gradient(&model, &tiny::batch(4)).1 == fresh);
}

#[test]
fn one_slot_can_be_learnt_by_heart() {
    let mut config = tiny::config();
    config.text.trainable = false;
    let batch = tiny::batch(2);
    let (model, losses) = tiny::descend(model(&config), &batch, 60);
    let (first, last) = (losses[0], tiny::loss_and_gradient(&model, &batch).0);
    assert!(last < 0.6 * first, "from {first} to {last}");
}
