//! The flat view's promises: a stable layout, exact round trips, and gradients that are zero rather than absent.

use super::*;
use crate::ModelConfig;
use crate::tests::tiny;

fn model(config: &ModelConfig, seed: u64) -> FratMae {
    FratMae::new(config, seed, &tiny::device())
}

fn find<'a>(layout: &'a [Parameter], name: &str) -> &'a Parameter {
    layout
        .iter()
        .find(|parameter| parameter.name == name)
        .unwrap_or_else(|| panic!("no parameter {name}"))
}

#[test]
fn the_layout_tiles_the_flat_vector() {
    let model = model(&tiny::config(), 1);
    let layout = model.parameters();
    let mut offset = 0;
    for parameter in &layout {
        assert_eq!(parameter.offset, offset, "{}", parameter.name);
        offset += parameter.len();
    }
    assert_eq!(model.to_flat().len(), offset);
    let mut names: Vec<&str> = layout.iter().map(|p| p.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), layout.len());
}

#[test]
fn names_and_shapes_are_those_of_an_exported_file() {
    let layout = model(&tiny::config(), 1).parameters();
    let expected: [(&str, &[usize], Update); 18] = [
        ("pet_encoder.cls_token", &[1, 1, 12], Update::NoDecay),
        ("pet_encoder.pos_embed", &[1, 13, 12], Update::Frozen),
        (
            "ct_encoder.patch_embed.proj.weight",
            &[32, 12],
            Update::Decay,
        ),
        (
            "ct_encoder.blocks.1.attn.qkv.weight",
            &[12, 36],
            Update::Decay,
        ),
        (
            "pet_encoder.blocks.0.attn.proj.bias",
            &[12],
            Update::NoDecay,
        ),
        ("pet_encoder.blocks.0.norm2.weight", &[12], Update::NoDecay),
        ("pet_encoder.norm.bias", &[12], Update::NoDecay),
        ("pet_decoder.embed.weight", &[12, 18], Update::Decay),
        ("ct_decoder.memory_embed.bias", &[18], Update::NoDecay),
        ("ct_decoder.mask_token", &[1, 1, 18], Update::NoDecay),
        (
            "ct_decoder.blocks.0.cross_attn.projk.weight",
            &[18, 18],
            Update::Decay,
        ),
        ("ct_decoder.blocks.0.norm_y.weight", &[18], Update::NoDecay),
        (
            "pet_decoder.blocks.0.mlp.fc1.weight",
            &[18, 36],
            Update::Decay,
        ),
        ("pet_decoder.pred.weight", &[18, 32], Update::Decay),
        ("pet_projection.weight", &[12, 8], Update::Decay),
        ("logit_scale", &[1], Update::NoDecay),
        (
            "text.text_model.embeddings.position_embedding.weight",
            &[16, 8],
            Update::NoDecay,
        ),
        ("text.text_projection.weight", &[8, 8], Update::Decay),
    ];
    for (name, shape, update) in expected {
        let found = find(&layout, name);
        assert_eq!(
            (found.shape.as_slice(), found.update),
            (shape, update),
            "{name}"
        );
    }
}

#[test]
fn the_papers_sizes_have_the_known_number_of_parameters() {
    // One block of each is made, the others are counted; fixed positions do not count.
    let mut config = ModelConfig {
        contrastive: false,
        ..ModelConfig::default()
    };
    config.encoder.depth = 1;
    config.decoder.depth = 1;
    let layout = model(&config, 1).parameters();
    let of = |prefix: &str| -> usize {
        let own = layout.iter().filter(|p| p.name.starts_with(prefix));
        own.filter(|p| p.update != Update::Frozen)
            .map(Parameter::len)
            .sum()
    };
    let encoder_block = 7_087_872;
    assert_eq!(of("pet_encoder.") + 11 * encoder_block, 88_203_264);
    let decoder_block = 4 * 384 * 384 * 2 + 8 * 384 + 8 * 384 * 384 + 5 * 384 + 4 * 2 * 384;
    assert_eq!(of("ct_decoder.blocks.0."), decoder_block);
    assert_eq!(of("ct_decoder.") + 7 * decoder_block, 21_107_584);
}

#[test]
fn a_round_trip_keeps_every_bit() {
    let flat = model(&tiny::config(), 1).to_flat();
    let other = model(&tiny::config(), 2);
    assert_ne!(other.to_flat(), flat);
    let same = other.with_flat(&flat).unwrap();
    assert_eq!(same.to_flat(), flat);
}

#[test]
fn a_device_with_memory_of_its_own_gets_every_bit_and_the_vector_stays() {
    let flat: Vec<f32> = (0..1000).map(|i| (i as f32).sin()).collect();
    let loaded = HostVector::new(flat.clone());
    let copy = loaded.copied_to(&Device::flex());
    assert_eq!(copy.try_into_vec_as::<f32>().unwrap(), flat);
    assert_eq!(AsRef::<[f32]>::as_ref(&loaded), flat);
}

#[test]
fn a_model_without_parameters_says_so() {
    let mut model = model(&tiny::config(), 1);
    model.unload().unwrap();
    assert_eq!(model.unload(), Err(ModelError::NothingLoaded));
    assert_eq!(model.share().err(), Some(ModelError::NothingLoaded));
}

#[test]
fn a_vector_of_another_length_is_refused() {
    let flat = model(&tiny::config(), 1).to_flat();
    let refused = model(&tiny::config(), 1).with_flat(&flat[1..]).unwrap_err();
    let expected = ModelError::FlatLength {
        found: flat.len() - 1,
        expected: flat.len(),
    };
    assert_eq!(refused, expected);
}

#[test]
fn the_first_values_follow_from_config_and_seed_alone() {
    let flat = |seed| model(&tiny::config(), seed).to_flat();
    assert_eq!(flat(5), flat(5));
    assert_ne!(flat(5), flat(6));
}

#[test]
fn positions_are_frozen_with_a_class_row_of_zeros() {
    let model = model(&tiny::config(), 1);
    let layout = model.parameters();
    let flat = model.to_flat();
    for name in ["pet_encoder.pos_embed", "ct_decoder.pos_embed"] {
        let parameter = find(&layout, name);
        let table = &flat[parameter.offset..][..parameter.len()];
        let width = parameter.shape[2];
        assert!(table[..width].iter().all(|&x| x == 0.0), "{name}");
        assert!(table[width..].iter().any(|&x| x != 0.0), "{name}");
    }
}

#[test]
fn without_contrast_there_are_no_contrastive_parameters() {
    let mut config = tiny::config();
    config.contrastive = false;
    let layout = model(&config, 1).parameters();
    let stray = layout.iter().find(|p| {
        p.name.starts_with("text.") || p.name == "logit_scale" || p.name.contains("projection")
    });
    assert_eq!(stray, None);
}

#[test]
fn a_frozen_text_encoder_is_marked_and_gets_no_gradient() {
    let mut config = tiny::config();
    config.text.trainable = false;
    let model = model(&config, 1);
    let (_, gradient) = tiny::loss_and_gradient(&model, &tiny::batch(4));
    for parameter in model.parameters() {
        let own = &gradient[parameter.gradient.clone()];
        let is_text = parameter.name.starts_with("text.");
        assert_eq!(
            is_text || parameter.name.ends_with("pos_embed"),
            parameter.update == Update::Frozen,
            "{}",
            parameter.name
        );
        if parameter.update == Update::Frozen {
            assert!(own.iter().all(|&x| x == 0.0), "{}", parameter.name);
        }
    }
}
