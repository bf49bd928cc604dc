//! A CLIP text encoder's file in our names. It knows HuggingFace's and OpenAI's names; the encoder itself is `text`.

use std::collections::BTreeMap;

use super::error::{Faults, WeightsError};
use super::file::{FileTensor, TensorFile, TensorValues};
use super::torch::{from_torch, torch_shape};
use crate::ModelConfig;
use crate::flat::Parameter;

/// What a whole CLIP has beside its text encoder.
const OTHER_HALF: [&str; 4] = [
    "vision_model.",
    "visual_projection.",
    "visual.",
    "logit_scale",
];

/// Tables that old files carry and that are no weights.
const NO_WEIGHTS: [&str; 3] = [
    "text_model.embeddings.position_ids",
    "attn_mask",
    "logit_bias",
];

/// Reads the text encoder of a file by HuggingFace's names (`CLIPTextModelWithProjection`, `CLIPModel`) or by
/// OpenAI's, into its place in the flat vector.
///
/// # Errors
///
/// [`WeightsError::Mismatch`] lists what is missing, unknown or of another shape; the flat vector is then as it was.
pub fn text_weights(
    file: &TensorFile,
    parameters: &[Parameter],
    config: &ModelConfig,
    flat: &mut [f32],
) -> Result<(), WeightsError> {
    let mut tensors = translated(&file.tensors);
    let mut faults = Faults::default();
    let mut taken = Vec::new();
    for parameter in parameters {
        let Some(name) = parameter.name.strip_prefix("text.") else {
            continue;
        };
        let expected = torch_shape(parameter, config);
        match tensors.remove(name) {
            Some(FileTensor {
                shape,
                values: TensorValues::Float(values),
            }) if shape == expected => taken.push((parameter, values)),
            Some(tensor) => faults.misshapen(name, &tensor.shape, &expected),
            None => faults.missing.push(name.to_owned()),
        }
    }
    faults.unknown.extend(tensors.into_keys());
    faults.refuse(&file.name)?;
    for (parameter, values) in taken {
        flat[parameter.offset..][..parameter.len()]
            .copy_from_slice(&from_torch(parameter, &values));
    }
    Ok(())
}

/// The tensors of the text encoder by HuggingFace's names.
fn translated(tensors: &BTreeMap<String, FileTensor>) -> BTreeMap<String, FileTensor> {
    let is_openai = tensors.contains_key("token_embedding.weight");
    let ours = tensors.iter().filter(|(name, _)| is_of_text(name));
    ours.flat_map(|(name, tensor)| match is_openai {
        true => from_openai(name, tensor),
        false => vec![(name.clone(), tensor.clone())],
    })
    .collect()
}

fn is_of_text(name: &str) -> bool {
    !OTHER_HALF.iter().any(|other| name.starts_with(other)) && !NO_WEIGHTS.contains(&name)
}

/// One tensor of OpenAI's file under HuggingFace's names; the fused projection becomes three.
fn from_openai(name: &str, tensor: &FileTensor) -> Vec<(String, FileTensor)> {
    let block = name.strip_prefix("transformer.resblocks.");
    let Some((number, part)) = block.and_then(|rest| rest.split_once('.')) else {
        return vec![outside_of_blocks(name, tensor)];
    };
    let named = |part: &str| format!("text_model.encoder.layers.{number}.{part}");
    if let Some(kind) = part.strip_prefix("attn.in_proj_") {
        let thirds = ["q_proj", "k_proj", "v_proj"].into_iter().enumerate();
        return thirds
            .filter_map(|(at, name)| {
                Some((
                    named(&format!("self_attn.{name}.{kind}")),
                    third(tensor, at)?,
                ))
            })
            .collect();
    }
    let renamed = [
        ("attn.", "self_attn."),
        ("ln_", "layer_norm"),
        ("mlp.c_fc.", "mlp.fc1."),
        ("mlp.c_proj.", "mlp.fc2."),
    ];
    let found = renamed
        .iter()
        .find_map(|(theirs, ours)| Some(format!("{ours}{}", part.strip_prefix(theirs)?)));
    vec![(named(&found.unwrap_or(part.to_owned())), tensor.clone())]
}

fn outside_of_blocks(name: &str, tensor: &FileTensor) -> (String, FileTensor) {
    let ours = match name {
        "token_embedding.weight" => "text_model.embeddings.token_embedding.weight",
        "positional_embedding" => "text_model.embeddings.position_embedding.weight",
        "ln_final.weight" => "text_model.final_layer_norm.weight",
        "ln_final.bias" => "text_model.final_layer_norm.bias",
        "text_projection" => {
            return ("text_projection.weight".to_owned(), turned(tensor));
        }
        other => other,
    };
    (ours.to_owned(), tensor.clone())
}

/// A third of the rows of a fused projection; none where there are no thirds.
fn third(tensor: &FileTensor, at: usize) -> Option<FileTensor> {
    let TensorValues::Float(values) = &tensor.values else {
        return None;
    };
    let mut shape = tensor.shape.clone();
    let rows = shape.first_mut().filter(|rows| rows.is_multiple_of(3))?;
    *rows /= 3;
    let n = values.len() / 3;
    Some(FileTensor::float(shape, values[at * n..][..n].to_vec()))
}

/// OpenAI multiplies by the projection from the right: `[in, out]` where a linear layer has `[out, in]`.
fn turned(tensor: &FileTensor) -> FileTensor {
    match (&tensor.values, tensor.shape.as_slice()) {
        (TensorValues::Float(values), &[rows, columns]) => FileTensor::float(
            [columns, rows],
            (0..columns)
                .flat_map(|column| values[column..].iter().step_by(columns).take(rows))
                .copied()
                .collect(),
        ),
        _ => tensor.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FratMae;
    use crate::tests::tiny;
    use crate::weights::export;

    fn parts() -> (Vec<Parameter>, Vec<f32>, TensorFile) {
        let model = FratMae::new(&tiny::config(), 5, &tiny::device());
        let flat = model.to_flat();
        let whole = export(&model.parameters(), &flat, &tiny::config());
        let text = |(name, tensor): (String, FileTensor)| {
            Some((name.strip_prefix("text.")?.to_owned(), tensor))
        };
        let file = TensorFile {
            name: "clip".to_owned(),
            tensors: whole.tensors.into_iter().filter_map(text).collect(),
            ..TensorFile::default()
        };
        (model.parameters(), flat, file)
    }

    fn read(parameters: &[Parameter], file: &TensorFile) -> Result<Vec<f32>, WeightsError> {
        let other = FratMae::new(&tiny::config(), 6, &tiny::device());
        let mut flat = other.to_flat();
        text_weights(file, parameters, &tiny::config(), &mut flat).map(|()| flat)
    }

    fn assert_text_is(parameters: &[Parameter], found: &[f32], expected: &[f32]) {
        for parameter in parameters {
            let place = parameter.offset..parameter.offset + parameter.len();
            let same = found[place.clone()] == expected[place];
            let is_drawn = parameter.update == crate::Update::Decay;
            let is_text = parameter.name.starts_with("text.");
            assert!(same || !is_text, "{}", parameter.name);
            assert!(!same || is_text || !is_drawn, "{}", parameter.name);
        }
    }

    #[test]
    fn the_text_half_of_a_whole_clip_is_taken_and_the_rest_passed_over() {
        let (parameters, flat, mut file) = parts();
        let stray = FileTensor::whole([1], vec![0]);
        for name in [
            "vision_model.x",
            "visual_projection.weight",
            "logit_scale",
            "text_model.embeddings.position_ids",
        ] {
            file.tensors.insert(name.to_owned(), stray.clone());
        }
        assert_text_is(&parameters, &read(&parameters, &file).unwrap(), &flat);
    }

    #[test]
    fn a_text_model_without_projection_or_with_more_is_refused_by_name() {
        let (parameters, _, mut file) = parts();
        let projection = file.tensors.remove("text_projection.weight").unwrap();
        file.tensors.insert("head.weight".to_owned(), projection);
        let line = read(&parameters, &file).unwrap_err().to_string();
        assert_eq!(
            line,
            "clip does not fit the model: 1 missing (text_projection.weight), 1 unknown (head.weight)"
        );
    }

    #[test]
    fn openais_names_and_fused_projections_are_read() {
        let (parameters, flat, file) = parts();
        let mut theirs = BTreeMap::new();
        let layer = "text_model.encoder.layers.0";
        for (name, tensor) in &file.tensors {
            let renamed = name
                .replace(layer, "transformer.resblocks.0")
                .replace("layer_norm", "ln_")
                .replace("self_attn.", "attn.")
                .replace("fc1", "c_fc")
                .replace("fc2", "c_proj")
                .replace("text_model.embeddings.token", "token")
                .replace(
                    "text_model.embeddings.position_embedding.weight",
                    "positional_embedding",
                )
                .replace("text_model.final_ln_.", "ln_final.");
            match renamed.as_str() {
                "text_projection.weight" => {
                    theirs.insert("text_projection".to_owned(), turned(tensor));
                }
                name if name.contains("q_proj.") => fuse(&file, name, layer, &mut theirs),
                name if name.contains("k_proj.") || name.contains("v_proj.") => {}
                _ => drop(theirs.insert(renamed, tensor.clone())),
            }
        }
        let file = TensorFile {
            tensors: theirs,
            ..file
        };
        assert_text_is(&parameters, &read(&parameters, &file).unwrap(), &flat);
    }

    fn fuse(file: &TensorFile, name: &str, layer: &str, theirs: &mut BTreeMap<String, FileTensor>) {
        let kind = name.rsplit('.').next().unwrap();
        let mut all = Vec::new();
        let mut shape = Vec::new();
        for part in ["q", "k", "v"] {
            let part = format!("{layer}.self_attn.{part}_proj.{kind}");
            let (one, values) = file.floats(&part).unwrap();
            shape = one.to_vec();
            all.extend_from_slice(values);
        }
        shape[0] *= 3;
        let fused = FileTensor::float(shape, all);
        theirs.insert(
            format!("transformer.resblocks.0.attn.in_proj_{kind}"),
            fused,
        );
    }
}
