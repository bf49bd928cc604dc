//! The text encoder's promises: where a sentence is read, and that padding and neighbours do not matter.

use super::*;
use crate::FratMae;
use crate::tests::tiny;

fn encoder() -> (TextEncoder, Device) {
    let device = tiny::device();
    let model = FratMae::new(&tiny::config(), 3, &device);
    let text = model.context_align.unwrap().text;
    (text, device)
}

fn encode(encoder: &TextEncoder, sentences: &[&[u32]], device: &Device) -> Vec<f32> {
    encoder
        .forward(sentences, device)
        .try_into_vec_as()
        .unwrap()
}

#[test]
fn a_sentence_is_read_at_the_first_place_of_its_largest_id() {
    assert_eq!(first_largest(&[5, 9, 2, 9]), 1);
    let page = Page::new(&[&[7, 3, 9], &[7, 9]], 16);
    assert_eq!((page.length, page.ends), (3, vec![2, 4]));
    assert_eq!(page.ids, [7, 3, 9, 7, 9, 0]);
}

#[test]
fn a_long_sentence_is_cut_and_keeps_its_end_mark() {
    assert_eq!(cut(&[1, 2, 3, 4, 9], 3), [1, 2, 9]);
    assert_eq!(cut(&[1, 2, 9], 3), [1, 2, 9]);
}

#[test]
fn words_after_the_end_mark_change_nothing() {
    let (encoder, device) = encoder();
    let short = encode(&encoder, &[&[49406, 320, 49407]], &device);
    let padded = encode(&encoder, &[&[49406, 320, 49407, 11, 12]], &device);
    for (a, b) in short.iter().zip(&padded) {
        assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    }
}

#[test]
fn words_before_the_end_mark_change_the_embedding() {
    let (encoder, device) = encoder();
    let one = encode(&encoder, &[&[49406, 320, 49407]], &device);
    let other = encode(&encoder, &[&[49406, 321, 49407]], &device);
    let furthest = one
        .iter()
        .zip(&other)
        .fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(furthest > 1e-3, "furthest {furthest}");
}

#[test]
fn a_longer_neighbour_changes_nothing() {
    let (encoder, device) = encoder();
    let alone = encode(&encoder, &[&[49406, 320, 49407]], &device);
    let both = encode(
        &encoder,
        &[&[49406, 320, 49407], &[49406, 5, 6, 7, 8, 49407]],
        &device,
    );
    for (a, b) in alone.iter().zip(&both) {
        assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    }
}

#[test]
fn a_frozen_encoder_reads_a_sentence_once_and_alone() {
    let mut config = tiny::config();
    config.text.trainable = false;
    let device = tiny::device();
    let model = FratMae::new(&config, 3, &device);
    let (short, long) = (vec![49406, 320, 49407], vec![49406, 5, 6, 7, 8, 49407]);
    let embed = |model: &FratMae, sentences: &[Vec<u32>]| -> Vec<f32> {
        let align = model.context_align.as_ref().unwrap();
        let text = align.embed_text(sentences, &device).unwrap();
        text.try_into_vec_as().unwrap()
    };
    let alone = embed(&model, std::slice::from_ref(&short));
    // The same bits whoever stands beside it, in this model and in one made anew.
    let fresh = FratMae::new(&config, 3, &device);
    assert_eq!(embed(&fresh, &[long.clone(), short.clone()])[8..], alone);
    assert_eq!(embed(&model, &[short.clone(), long])[..8], alone);
    // A step changes other parameters, and nothing is forgotten; other text weights are read anew.
    let mut flat = model.to_flat();
    flat[0] += 1.0;
    let stepped = model.with_flat(&flat).unwrap();
    assert_eq!(embed(&stepped, std::slice::from_ref(&short)), alone);
    let last = flat.len() - 1;
    flat[last] += 1.0;
    let other = stepped.with_flat(&flat).unwrap();
    assert_ne!(embed(&other, &[short]), alone);
}
