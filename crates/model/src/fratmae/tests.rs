//! The model's promises: shapes, right gradients, what enters the loss, independence of samples, exact repetition.

use super::*;
use crate::flat::{Parameter, Update};
use crate::slot::SlotStats;
use crate::tests::tiny;

fn model(config: &ModelConfig) -> FratMae {
    FratMae::new(config, 11, &tiny::device())
}

fn forward(model: &FratMae, batch: &SlotBatch) -> SlotForward {
    model.forward(batch, &tiny::device()).unwrap()
}

fn stats(forward: &SlotForward) -> SlotStats {
    forward.stats().unwrap()
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.clone().try_into_vec_as().unwrap()
}

fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < 1e-5, "{a} is not {b}");
    }
}

/// The slot with only one of its samples.
fn only(batch: &SlotBatch, sample: usize) -> SlotBatch {
    let n = batch.pet.len() / batch.n_samples();
    let stack = |stacks: &[f32]| stacks[sample * n..][..n].to_vec();
    let mut one = SlotBatch {
        pet: stack(&batch.pet),
        ct: stack(&batch.ct),
        tokens: vec![batch.tokens[sample].clone()],
        ..SlotBatch::default()
    };
    one.masks.modality = vec![batch.masks.modality[sample]];
    one.masks.keep = vec![batch.masks.keep[sample].clone()];
    one
}

#[test]
fn a_slot_has_one_loss_and_two_embeddings_of_length_one() {
    let out = forward(&model(&tiny::config()), &tiny::batch(3));
    assert_eq!(out.reconstruction.dims(), [1]);
    for embedding in [&out.pet_embedding, &out.text_embedding] {
        assert_eq!(embedding.dims(), [3, 8]);
        for row in values(embedding).chunks(8) {
            let length: f32 = row.iter().map(|x| x * x).sum();
            assert!((length - 1.0).abs() < 1e-5, "{length}");
        }
    }
    assert_eq!((stats(&out).pet.samples, stats(&out).ct.samples), (2, 1));
    // Six hidden tokens of 32 voxels a sample.
    assert_eq!(
        (stats(&out).pet.targets, stats(&out).ct.targets),
        (384, 192)
    );
    let parts = stats(&out).pet.squared_error + stats(&out).ct.squared_error;
    assert!((f64::from(values(&out.reconstruction)[0]) - parts).abs() < 1e-5);
}

#[test]
fn a_slot_may_mask_one_modality_only() {
    let model = model(&tiny::config());
    let batch = only(&tiny::batch(2), 1);
    let out = forward(&model, &batch);
    assert_eq!((stats(&out).pet.samples, stats(&out).ct.samples), (0, 1));
    assert_eq!(stats(&out).pet.mean_squared_error(), None);
}

#[test]
fn a_bad_slot_is_an_error() {
    let model = model(&tiny::config());
    let mut batch = tiny::batch(2);
    batch.masks.keep[1][0] = 99;
    let refused = model.forward(&batch, &tiny::device()).unwrap_err();
    assert!(matches!(
        refused,
        ModelError::BadToken {
            sample: 1,
            token: 99,
            ..
        }
    ));
}

#[test]
fn a_gradient_that_fits_no_embedding_is_an_error() {
    let model = model(&tiny::config());
    let grads = Some((&[0.0; 16][..], &[0.0; 15][..]));
    let refused = model.backward(forward(&model, &tiny::batch(2)), 1.0, grads, Vec::new());
    let refused = refused.err();
    let expected = ModelError::Length {
        part: "text embedding gradient",
        found: 15,
        expected: 16,
    };
    assert_eq!(refused, Some(expected));
}

#[test]
fn a_device_without_gradients_runs_forward_and_refuses_the_backward_pass() {
    let device = Device::flex();
    let model = FratMae::new(&tiny::config(), 11, &device);
    let out = model.forward(&tiny::batch(2), &device).unwrap();
    assert!(stats(&out).pet.squared_error > 0.0);
    let refused = model.backward(out, 1.0, None, Vec::new()).err();
    assert!(matches!(refused, Some(ModelError::DeviceFailed { .. })));
}

#[test]
fn each_sample_is_computed_as_if_it_were_alone() {
    let model = model(&tiny::config());
    let batch = tiny::batch(4);
    let together = forward(&model, &batch);
    let pet = values(&together.pet_embedding);
    let text = values(&together.text_embedding);
    let mut sum = 0.0;
    for sample in 0..4 {
        let alone = forward(&model, &only(&batch, sample));
        assert_close(&values(&alone.pet_embedding), &pet[sample * 8..][..8]);
        assert_close(&values(&alone.text_embedding), &text[sample * 8..][..8]);
        sum += values(&alone.reconstruction)[0];
    }
    assert_close(&values(&together.reconstruction), &[sum]);
}

#[test]
fn gradients_agree_with_differences_of_the_loss() {
    let model = model(&tiny::config());
    let batch = tiny::batch(4);
    let (_, gradient) = tiny::loss_and_gradient(&model, &batch);
    let flat = model.to_flat();
    let layout = model.parameters();
    let loss_at = |place: usize, by: f32| {
        let mut flat = flat.clone();
        flat[place] += by;
        let nudged = model.clone().with_flat(&flat).unwrap();
        tiny::loss_and_gradient(&nudged, &batch).0
    };
    for name in [
        "pet_encoder.cls_token",
        "pet_encoder.patch_embed.proj.weight",
        "ct_encoder.blocks.0.attn.qkv.weight",
        "ct_encoder.blocks.1.mlp.fc1.bias",
        "pet_encoder.norm.weight",
        "ct_decoder.embed.weight",
        "pet_decoder.memory_embed.weight",
        "pet_decoder.mask_token",
        "pet_decoder.blocks.0.attn.proj.weight",
        "ct_decoder.blocks.0.norm_y.weight",
        "ct_decoder.blocks.0.cross_attn.projq.weight",
        "pet_decoder.pred.bias",
        "pet_projection.weight",
        "text.text_model.embeddings.token_embedding.weight",
        "text.text_model.encoder.layers.0.self_attn.q_proj.weight",
        "text.text_model.encoder.layers.0.mlp.fc2.weight",
        "text.text_projection.weight",
    ] {
        let parameter = find(&layout, name);
        let steepest = steepest(parameter, &gradient);
        let place = parameter.offset + steepest - parameter.gradient.start;
        let h = 5e-3;
        let grad = (loss_at(place, h) - loss_at(place, -h)) / f64::from(2.0 * h);
        let found = f64::from(gradient[steepest]);
        let allowed = 0.03 * grad.abs() + 3e-4;
        assert!(
            (found - grad).abs() < allowed,
            "{name}: {found} is not {grad}"
        );
        assert_ne!(found, 0.0, "{name}");
    }
}

fn find<'a>(layout: &'a [Parameter], name: &str) -> &'a Parameter {
    let found = layout.iter().find(|parameter| parameter.name == name);
    found.unwrap_or_else(|| panic!("no parameter {name}"))
}

fn steepest(parameter: &Parameter, gradient: &[f32]) -> usize {
    let places = parameter.gradient.clone();
    let steeper = |a: &usize, b: &usize| gradient[*a].abs().total_cmp(&gradient[*b].abs());
    places.max_by(steeper).unwrap()
}

#[test]
fn all_that_learns_gets_a_gradient() {
    let model = model(&tiny::config());
    let (_, gradient) = tiny::loss_and_gradient(&model, &tiny::batch(4));
    for parameter in model.parameters() {
        let own = &gradient[parameter.gradient.clone()];
        // The temperature's gradient is the whole batch's: it is no slot's to give.
        let learns = parameter.update != Update::Frozen && parameter.name != "logit_scale";
        assert_eq!(own.iter().any(|&x| x != 0.0), learns, "{}", parameter.name);
    }
}

#[test]
fn the_decoder_of_a_modality_that_nobody_masks_has_a_gradient_of_zeros() {
    let model = model(&tiny::config());
    let (_, gradient) = tiny::loss_and_gradient(&model, &only(&tiny::batch(2), 0));
    let (mut drawn, mut undrawn) = (0, 0);
    for parameter in model.parameters() {
        let own = &gradient[parameter.gradient.clone()];
        let n_steep = own.iter().filter(|&&x| x != 0.0).count();
        if parameter.name.starts_with("ct_decoder.") {
            undrawn += n_steep;
        } else if parameter.name.starts_with("pet_decoder.") {
            drawn += n_steep;
        }
    }
    assert_eq!(undrawn, 0);
    assert!(drawn > 0);
}

#[test]
fn hidden_voxels_enter_as_targets_only() {
    let model = model(&tiny::config());
    let batch = only(&tiny::batch(1), 0);
    let hidden = crate::masking::hidden(&batch.masks.keep[0], 12)[0];
    let mut other = batch.clone();
    // The first voxel of that patch, found through its place in the grid of 2x2x3.
    let (d, h, w) = (
        hidden as usize / 6,
        hidden as usize / 3 % 2,
        hidden as usize % 3,
    );
    other.pet[(2 * d * 8 + 4 * h) * 12 + 4 * w] += 1.0;
    let (before, after) = (forward(&model, &batch), forward(&model, &other));
    assert_eq!(values(&before.pet_embedding), values(&after.pet_embedding));
    assert_ne!(
        values(&before.reconstruction),
        values(&after.reconstruction)
    );
    let moved = stats(&after).pet.target_sum - stats(&before).pet.target_sum;
    assert!((moved - 1.0).abs() < 1e-5, "{moved}");
}

#[test]
fn visible_voxels_enter_as_inputs_only() {
    let model = model(&tiny::config());
    let batch = only(&tiny::batch(1), 0);
    let mut other = batch.clone();
    // Token 0 is kept in this mask.
    assert!(batch.masks.keep[0].contains(&0));
    other.pet[0] += 1.0;
    let (before, after) = (forward(&model, &batch), forward(&model, &other));
    assert_ne!(values(&before.pet_embedding), values(&after.pet_embedding));
    assert_eq!(stats(&before).pet.target_sum, stats(&after).pet.target_sum);
    assert_eq!(
        stats(&before).pet.target_squares,
        stats(&after).pet.target_squares
    );
}

#[test]
fn the_whole_modality_informs_the_rebuilt_one() {
    let model = model(&tiny::config());
    let batch = only(&tiny::batch(1), 0);
    let mut other = batch.clone();
    other.ct.reverse();
    let (before, after) = (forward(&model, &batch), forward(&model, &other));
    assert_ne!(
        values(&before.reconstruction),
        values(&after.reconstruction)
    );
    // PET's class token has seen PET alone.
    assert_eq!(values(&before.pet_embedding), values(&after.pet_embedding));
}

#[test]
fn without_self_attention_the_decoder_has_no_such_parameters_and_visible_pet_informs_nothing() {
    let mut config = tiny::config();
    config.decoder.self_attention = false;
    let model = model(&config);
    let layout = model.parameters();
    let stray = |p: &&Parameter| {
        p.name.contains("_decoder") && (p.name.contains(".attn.") || p.name.contains(".norm1."))
    };
    assert_eq!(layout.iter().find(stray), None);
    let batch = only(&tiny::batch(1), 0);
    let mut other = batch.clone();
    other.pet[0] += 1.0;
    let (before, after) = (forward(&model, &batch), forward(&model, &other));
    assert_eq!(
        values(&before.reconstruction),
        values(&after.reconstruction)
    );
}

#[test]
fn with_self_attention_visible_pet_informs_the_hidden_part() {
    let model = model(&tiny::config());
    let batch = only(&tiny::batch(1), 0);
    let mut other = batch.clone();
    other.pet[0] += 1.0;
    let (before, after) = (forward(&model, &batch), forward(&model, &other));
    assert_ne!(
        values(&before.reconstruction),
        values(&after.reconstruction)
    );
}

#[test]
fn the_feed_order_of_visible_tokens_does_not_matter() {
    let model = model(&tiny::config());
    let batch = only(&tiny::batch(1), 0);
    let mut other = batch.clone();
    other.masks.keep[0].reverse();
    let (before, after) = (forward(&model, &batch), forward(&model, &other));
    assert_close(
        &values(&before.pet_embedding),
        &values(&after.pet_embedding),
    );
    assert_close(
        &values(&before.reconstruction),
        &values(&after.reconstruction),
    );
}

#[test]
fn normalised_targets_have_variance_one() {
    let mut config = tiny::config();
    config.norm_pix = true;
    let out = forward(&model(&config), &tiny::batch(2));
    let baseline = stats(&out).pet.baseline().unwrap();
    // Each patch's unbiased variance is one: 31 / 32 over its own 32 voxels.
    assert!((baseline - 31.0 / 32.0).abs() < 1e-3, "{baseline}");
}

#[test]
fn without_contrast_embeddings_are_zeros_and_sentences_are_not_read() {
    let mut config = tiny::config();
    config.contrastive = false;
    let model = model(&config);
    let mut batch = tiny::batch(2);
    batch.tokens.clear();
    let out = forward(&model, &batch);
    assert_eq!(values(&out.pet_embedding), [0.0; 16]);
    assert_eq!(values(&model.logit_scale()), [0.0]);
    let (loss, gradient) = tiny::loss_and_gradient(&model, &batch);
    assert!(loss > 0.0 && gradient.iter().any(|&x| x != 0.0));
}

/// A slot in which both modalities of each sample are masked.
fn symmetric(n_samples: usize) -> SlotBatch {
    let mut batch = tiny::batch(n_samples);
    batch.masks.modality = vec![Modality::Pet; n_samples];
    let keep = batch.masks.keep.iter().rev().cloned();
    batch.masks.keep_other = keep.map(|mut keep| keep.split_off(2)).collect();
    batch
}

#[test]
fn with_symmetric_masks_both_decoders_learn_and_each_sample_weighs_once() {
    let model = model(&tiny::config());
    let batch = symmetric(3);
    let out = forward(&model, &batch);
    assert_eq!((stats(&out).pet.samples, stats(&out).ct.samples), (3, 3));
    let sum = values(&out.reconstruction)[0];
    let mean = stats(&out).reconstruction() * 3.0;
    assert!((f64::from(sum) - mean).abs() < 1e-5, "{sum} is not {mean}");
    let (_, gradient) = tiny::loss_and_gradient(&model, &batch);
    for parameter in model.parameters() {
        let own = &gradient[parameter.gradient.clone()];
        let learns = parameter.learns() && parameter.name != "logit_scale";
        assert_eq!(own.iter().any(|&x| x != 0.0), learns, "{}", parameter.name);
    }
}

#[test]
fn with_symmetric_masks_what_is_hidden_of_the_other_modality_informs_nothing() {
    let model = model(&tiny::config());
    let batch = symmetric(1);
    let out = forward(&model, &batch);
    let error = |out: &SlotForward| stats(out).pet.squared_error;
    for (is_hidden, token) in [
        (true, hidden_of_ct(&batch)),
        (false, batch.masks.keep_other[0][0]),
    ] {
        let mut other = batch.clone();
        let (d, h, w) = (
            token as usize / 6,
            token as usize / 3 % 2,
            token as usize % 3,
        );
        other.ct[(2 * d * 8 + 4 * h) * 12 + 4 * w] += 1.0;
        let moved = error(&forward(&model, &other)) != error(&out);
        assert_eq!(moved, !is_hidden, "token {token}");
    }
}

fn hidden_of_ct(batch: &SlotBatch) -> u32 {
    crate::masking::hidden(&batch.masks.keep_other[0], 12)[0]
}

#[test]
fn one_encoder_can_serve_both_modalities() {
    let mut config = tiny::config();
    let n_apart = model(&config).parameters().len();
    config.shared_encoders = true;
    let model = model(&config);
    let layout = model.parameters();
    let encoder = layout
        .iter()
        .filter(|p| p.name.starts_with("pet_encoder."))
        .count();
    assert_eq!(layout.len(), n_apart - encoder);
    // CT alone is masked, PET alone is whole: both pull at the same weights.
    let batch = only(&tiny::batch(2), 1);
    let (_, gradient) = tiny::loss_and_gradient(&model, &batch);
    let norm = layout.iter().find(|p| p.name == "pet_encoder.norm.bias");
    let norm = norm.unwrap();
    assert!(gradient[norm.gradient.clone()].iter().any(|&x| x != 0.0));
    let mut same = batch.clone();
    same.ct.clone_from(&batch.pet);
    assert!(values(&forward(&model, &same).reconstruction)[0].is_finite());
}

#[test]
fn any_ratio_hides_what_it_says() {
    for (ratio, n_hidden) in [(0.25, 3), (0.5, 6), (0.75, 9), (0.9, 11)] {
        let mut config = tiny::config();
        config.mask_ratio = ratio;
        let batch = tiny::slot(&config, 2);
        let out = forward(&model(&config), &batch);
        assert_eq!(stats(&out).pet.targets, n_hidden * 32, "{ratio}");
    }
}

#[test]
fn axial_stacks_of_the_papers_grid_are_cut_into_their_own_tokens() {
    let config = ModelConfig {
        stack: [32, 160, 160],
        ..ModelConfig::default()
    };
    config.check().unwrap();
    assert_eq!(PatchGrid::new(&config).counts(), [2, 10, 10]);
}
