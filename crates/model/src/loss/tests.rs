//! Both losses against numbers worked out by hand.

use super::*;

fn scalar(loss: Tensor<1>) -> f64 {
    f64::from(loss.into_scalar::<f32>())
}

fn rows<const D: usize>(values: [[f32; D]; 2]) -> Tensor<2> {
    Tensor::from_data(values, &Device::flex())
}

fn scale(value: f32) -> Tensor<1> {
    Tensor::from_data([value], &Device::flex())
}

#[test]
fn reconstruction_is_a_sum_over_samples_of_means_over_patches() {
    let prediction = Tensor::<2>::from_data(
        [[1.0_f32, 0.0], [0.0, 0.0], [2.0, 2.0], [0.0, 4.0]],
        &Device::flex(),
    );
    let target = Tensor::zeros([4, 2], &Device::flex());
    // Patches: 0.5, 0 | 4, 8; samples: 0.25, 6.
    assert_eq!(scalar(reconstruction(prediction, target, 2)), 6.25);
}

#[test]
fn patches_are_normalised_by_their_unbiased_variance() {
    let mut patches = [1.0, 2.0, 3.0, 5.0, 5.0, 5.0];
    normalise_patches(&mut patches, 3);
    for (found, expected) in patches.iter().zip([-1.0, 0.0, 1.0, 0.0, 0.0, 0.0]) {
        assert!((found - expected).abs() < 1e-5, "{patches:?}");
    }
}

#[test]
fn info_nce_of_two_pairs_is_as_by_hand() {
    // Scores with scale ln 2 (factor 2): [[2, 0], [1.2, 1.6]].
    let pet = rows([[1.0, 0.0], [0.6, 0.8]]);
    let text = rows([[1.0, 0.0], [0.0, 1.0]]);
    let log_sum = |a: f64, b: f64| (a.exp() + b.exp()).ln();
    let pet_to_text = (log_sum(2.0, 0.0) - 2.0) + (log_sum(1.2, 1.6) - 1.6);
    let text_to_pet = (log_sum(2.0, 1.2) - 2.0) + (log_sum(0.0, 1.6) - 1.6);
    let expected = (pet_to_text + text_to_pet) / 4.0;
    let found = scalar(contrastive(pet, text, scale(2_f32.ln()), &[0, 1]));
    assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
}

#[test]
fn identical_sentences_share_the_target_evenly() {
    assert_eq!(
        targets(&[4, 7, 4]),
        [0.5, 0.0, 0.5, 0.0, 1.0, 0.0, 0.5, 0.0, 0.5]
    );
    // Two images of one sentence: no score tells them apart, and the loss is ln 2 whatever the images.
    let pet = rows([[1.0, 0.0], [1.0, 0.0]]);
    let text = rows([[0.6, 0.8], [0.6, 0.8]]);
    let found = scalar(contrastive(pet, text, scale(1.0), &[3, 3]));
    assert!((found - 2_f64.ln()).abs() < 1e-6, "{found}");
}

#[test]
fn one_pair_has_no_contrast() {
    let one = Tensor::<2>::from_data([[1.0_f32, 0.0]], &Device::flex());
    assert_eq!(scalar(contrastive(one.clone(), one, scale(2.0), &[0])), 0.0);
}

#[test]
fn gradients_agree_with_differences_of_the_loss() {
    let pet = [1.0, 0.0, 0.6, 0.8, 0.8, -0.6];
    let text = [0.8, 0.6, 0.0, 1.0, -0.6, 0.8];
    let groups = [0, 1, 0];
    let at = |pet: &[f32], text: &[f32], scale: f32| contrast(pet, text, scale, &groups).unwrap();
    let found = at(&pet, &text, 0.5);
    let h = 1e-2;
    let grad = |plus: Contrast, minus: Contrast| (plus.loss - minus.loss) / f64::from(2.0 * h);
    let close = |a: f32, b: f64| assert!((f64::from(a) - b).abs() < 1e-3, "{a} is not {b}");
    for i in 0..6 {
        let nudge = |values: &[f32; 6], by: f32| {
            let mut values = *values;
            values[i] += by;
            values
        };
        let (plus, minus) = (nudge(&pet, h), nudge(&pet, -h));
        close(
            found.pet_gradient[i],
            grad(at(&plus, &text, 0.5), at(&minus, &text, 0.5)),
        );
        let (plus, minus) = (nudge(&text, h), nudge(&text, -h));
        close(
            found.text_gradient[i],
            grad(at(&pet, &plus, 0.5), at(&pet, &minus, 0.5)),
        );
    }
    close(
        found.logit_scale_gradient,
        grad(at(&pet, &text, 0.5 + h), at(&pet, &text, 0.5 - h)),
    );
}

#[test]
fn ragged_embeddings_are_refused() {
    let refused =
        |pet: &[f32], text: &[f32], groups: &[u32]| contrast(pet, text, 1.0, groups).unwrap_err();
    assert_eq!(refused(&[], &[], &[]), ModelError::EmptySlot);
    let found = refused(&[1.0; 4], &[1.0; 2], &[0, 1]);
    assert!(matches!(
        found,
        ModelError::Length {
            part: "text embeddings",
            ..
        }
    ));
    let found = refused(&[1.0; 3], &[1.0; 3], &[0, 1]);
    assert!(matches!(
        found,
        ModelError::Length {
            part: "PET embeddings",
            ..
        }
    ));
}
