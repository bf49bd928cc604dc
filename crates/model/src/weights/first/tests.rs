//! Beginning from another file: a 2-D ViT, a 3-D one, an export of another stack, and a file with nothing to take.

use super::*;
use crate::FratMae;
use crate::tests::tiny;
use crate::weights::{FileTensor, export};

fn model() -> (Vec<Parameter>, Vec<f32>) {
    let model = FratMae::new(&tiny::config(), 5, &tiny::device());
    (model.parameters(), model.to_flat())
}

fn of<'a>(parameters: &[Parameter], flat: &'a [f32], name: &str) -> &'a [f32] {
    let parameter = parameters.iter().find(|p| p.name == name).unwrap();
    &flat[parameter.offset..][..parameter.len()]
}

/// A 2-D ViT of the tiny width: patches of 2x2 in three channels, a grid of 2x2, one block.
fn flat_vit(prefix: &str) -> TensorFile {
    let mut file = TensorFile {
        name: "vit".to_owned(),
        ..TensorFile::default()
    };
    let mut put = |name: &str, shape: &[usize]| {
        let n: usize = shape.iter().product();
        let values = (0..n).map(|i| (i as f32 * 0.31).sin()).collect();
        let tensor = FileTensor::float(shape, values);
        file.tensors.insert(format!("{prefix}{name}"), tensor);
    };
    put("cls_token", &[1, 1, 12]);
    put("pos_embed", &[1, 5, 12]);
    put("patch_embed.proj.weight", &[12, 3, 2, 2]);
    put("patch_embed.proj.bias", &[12]);
    put("blocks.0.attn.qkv.weight", &[36, 12]);
    put("blocks.0.attn.qkv.bias", &[36]);
    put("blocks.1.mlp.fc1.weight", &[48, 12]);
    put("decoder_embed.weight", &[8, 12]);
    file
}

#[test]
fn a_flat_vit_goes_into_both_encoders_under_any_prefix() {
    for prefix in ["", "module.encoder."] {
        let (parameters, mut flat) = model();
        let file = flat_vit(prefix);
        let report = init_from(&file, &parameters, &tiny::config(), &mut flat).unwrap();
        let qkv = file.floats(&format!("{prefix}blocks.0.attn.qkv.weight"));
        for twin in ["pet", "ct"] {
            let name = format!("{twin}_encoder.blocks.0.attn.qkv.weight");
            let found = of(&parameters, &flat, &name);
            let parameter = parameters.iter().find(|p| p.name == name).unwrap();
            assert_eq!(found, from_torch(parameter, qkv.as_ref().unwrap().1));
        }
        assert_eq!(report.taken.len(), 6, "{:?}", report.taken);
        assert_eq!(report.adapted.len(), 6, "{:?}", report.adapted);
        assert_eq!(
            report.misshapen[0],
            "pet_encoder.blocks.1.mlp.fc1.weight is [48, 12] and not [24, 12]"
        );
        assert_eq!(report.unused.len(), 2, "{:?}", report.unused);
        assert!(report.absent.contains(&"logit_scale".to_owned()));
        let lines = report.lines();
        assert_eq!(lines.len(), 5);
        assert!(
            lines[0].starts_with("6 parameters loaded: pet_encoder.patch"),
            "{lines:?}"
        );
        assert!(
            lines[4].starts_with("2 tensors of the file not used: "),
            "{lines:?}"
        );
    }
}

#[test]
fn positions_are_spread_and_the_class_token_takes_over_its_own() {
    let (parameters, mut flat) = model();
    let file = flat_vit("");
    init_from(&file, &parameters, &tiny::config(), &mut flat).unwrap();
    let (_, theirs) = file.floats("pos_embed").unwrap();
    let (_, class) = file.floats("cls_token").unwrap();
    let ours = of(&parameters, &flat, "ct_encoder.pos_embed");
    assert!(ours[..12].iter().all(|x| *x == 0.0));
    // Both slices of the grid have the same positions; the first row's first column is the source's.
    assert_eq!(ours[12..12 * 7], ours[12 * 7..]);
    assert_eq!(ours[12..24], theirs[12..24]);
    let token = of(&parameters, &flat, "ct_encoder.cls_token");
    let sum: Vec<f32> = class.iter().zip(theirs).map(|(a, b)| a + b).collect();
    assert_eq!(token, sum);
}

#[test]
fn an_export_is_taken_whole() {
    let (parameters, flat) = model();
    let file = export(&parameters, &flat, &tiny::config());
    let other = FratMae::new(&tiny::config(), 6, &tiny::device());
    let mut found = other.to_flat();
    let report = init_from(&file, &parameters, &tiny::config(), &mut found).unwrap();
    assert_eq!(found, flat);
    assert_eq!(report.taken.len(), parameters.len());
}

#[test]
fn an_export_of_another_stack_has_its_positions_interpolated() {
    let mut wide = tiny::config();
    wide.stack = [4, 16, 12];
    let source = FratMae::new(&wide, 6, &tiny::device());
    let file = export(&source.parameters(), &source.to_flat(), &wide);
    let (parameters, mut flat) = model();
    let report = init_from(&file, &parameters, &tiny::config(), &mut flat).unwrap();
    assert_eq!(report.adapted.len(), 4, "{:?}", report.adapted);
    assert_eq!(report.taken.len(), parameters.len() - 4);
}

#[test]
fn a_file_with_nothing_to_take_is_refused_with_its_names() {
    let (parameters, before) = model();
    let mut file = TensorFile {
        name: "other".to_owned(),
        ..TensorFile::default()
    };
    let stray = FileTensor::float([1], vec![0.0]);
    file.tensors.insert("conv1.weight".to_owned(), stray);
    let mut flat = before.clone();
    let refused = init_from(&file, &parameters, &tiny::config(), &mut flat);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "other has nothing for this model: 1 unknown (conv1.weight)"
    );
    assert_eq!(flat, before);
}

#[test]
fn a_file_of_another_width_is_refused_though_its_temperature_fits() {
    let (parameters, flat) = model();
    let mut file = export(&parameters, &flat, &tiny::config());
    for (name, tensor) in &mut file.tensors {
        if name != "logit_scale" {
            tensor.shape.push(1);
        }
    }
    let refused = init_from(&file, &parameters, &tiny::config(), &mut flat.clone());
    let line = refused.unwrap_err().to_string();
    assert!(line.contains("has nothing for this model"), "{line}");
}
