//! A network by name, and values that follow from others. It judges no value but the name.
//!
//! A preset stands for its sizes at the place where it is written: the file's preset goes under the file's own sizes, and
//! `--set model.preset=…` over all that comes before it. So the last one wins, as everywhere.

use serde_json::{Value, json};

use crate::Model;
use crate::error::{ConfigError, Origin};
use crate::layers::overlay;

/// Key, value and where it was written.
type Layer = (String, Value, Origin);

const KEY: &str = "model.preset";

/// The presets there are.
pub const NAMES: [&str; 3] = ["tiny", "small", "base"];

/// Puts the sizes of each preset in `layers` in the place of its name.
///
/// # Errors
/// `Value` for an unknown name.
pub(crate) fn expand(layers: Vec<Layer>) -> Result<Vec<Layer>, ConfigError> {
    let mut expanded = Vec::new();
    for (key, mut value, origin) in layers {
        if let Some(name) = take(&key, &mut value) {
            let sizes = name.as_str().and_then(preset);
            let sizes = sizes.ok_or_else(|| ConfigError::Value {
                key: KEY.to_owned(),
                value: name.to_string(),
                allowed: format!("one of {}", NAMES.join(", ")),
                origin: origin.clone(),
            })?;
            expanded.push(("model".to_owned(), sizes, origin.clone()));
        }
        if key != KEY {
            expanded.push((key, value, origin));
        }
    }
    Ok(expanded)
}

/// Lays what follows from `layers` over `tree`.
///
/// # Errors
/// None that a user could cause.
pub(crate) fn lay_under(tree: &mut Value, layers: &[Layer]) -> Result<(), ConfigError> {
    // A run that goes on may be given the digest of the file alone.
    let has_text_weights = ["/model/text/weights", "/model/text/weights_digest"]
        .iter()
        .any(|pointer| is_given(layers, pointer));
    if has_text_weights && !is_given(layers, "/model/text/trainable") {
        // CLIP's own weights are kept as they are: so few cases cannot train them.
        overlay(tree, "model.text.trainable", json!(false), &Origin::Memory)?;
    }
    Ok(())
}

/// Takes the preset's name out of one layer.
fn take(key: &str, value: &mut Value) -> Option<Value> {
    match key {
        KEY => Some(value.clone()),
        "model" => value.as_object_mut()?.remove("preset"),
        "" => value.get_mut("model")?.as_object_mut()?.remove("preset"),
        _ => None,
    }
}

/// Whether any layer gives the value at a JSON pointer, and not an empty text.
fn is_given(layers: &[Layer], pointer: &str) -> bool {
    layers.iter().any(|(key, value, _)| {
        let path = match key.as_str() {
            "" => String::new(),
            key => format!("/{}", key.replace('.', "/")),
        };
        let found = pointer.strip_prefix(path.as_str());
        let found = found.and_then(|rest| value.pointer(rest));
        found.is_some_and(|value| value.as_str() != Some(""))
    })
}

/// The sizes of a network by name, as a layer: nothing but sizes.
pub(crate) fn preset(name: &str) -> Option<Value> {
    let model = Model::preset(name)?;
    let sizes = |width, depth, heads| json!({"width": width, "depth": depth, "heads": heads});
    let (encoder, decoder, text) = (model.encoder, model.decoder, model.text);
    Some(json!({
        "encoder": sizes(encoder.width, encoder.depth, encoder.heads),
        "decoder": sizes(decoder.width, decoder.depth, decoder.heads),
        "text": sizes(text.width, text.depth, text.heads),
        "embedding": model.embedding,
    }))
}

/// The keys that a preset sets.
pub(crate) fn preset_keys() -> impl Iterator<Item = &'static str> {
    [
        "model.embedding",
        "model.encoder.width",
        "model.encoder.depth",
        "model.encoder.heads",
        "model.decoder.width",
        "model.decoder.depth",
        "model.decoder.heads",
        "model.text.width",
        "model.text.depth",
        "model.text.heads",
    ]
    .into_iter()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::Config;

    fn load(file: &str, sets: &[&str]) -> Result<Config, ConfigError> {
        let mut job = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
        job.write_all(file.as_bytes()).unwrap();
        let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
        Config::load(Some(job.path()), &sets)
    }

    #[test]
    fn base_is_the_default() {
        let base = Config::load(None, &["model.preset=base".to_owned()]);
        assert_eq!(base.unwrap(), Config::default());
    }

    #[test]
    fn a_files_own_sizes_go_over_its_preset_wherever_both_stand() {
        let file = "[model]\npreset = \"small\"\n[model.encoder]\ndepth = 3\n";
        let model = load(file, &[]).unwrap().model;
        assert_eq!((model.encoder.width, model.encoder.depth), (192, 3));
        assert_eq!((model.decoder.width, model.text.depth), (144, 4));
    }

    #[test]
    fn the_last_one_wins_on_the_command_line() {
        let spelt =
            "[model]\nembedding = 512\n[model.encoder]\nwidth = 768\ndepth = 12\nheads = 12\n";
        for file in [spelt, "[model]\npreset = \"small\"\n"] {
            let model = load(file, &["model.preset=tiny"]).unwrap().model;
            assert_eq!(Some(model), Model::preset("tiny"));
            let model = load(file, &["model.preset=tiny", "model.encoder.depth=3"]);
            assert_eq!(model.unwrap().model.encoder.depth, 3);
            let model = load(file, &["model.encoder.depth=3", "model.preset=tiny"]);
            assert_eq!(model.unwrap().model.encoder.depth, 4);
            let model = load(file, &["model.preset=small", "model.preset=tiny"]);
            assert_eq!(Some(model.unwrap().model), Model::preset("tiny"));
            let section = "model={preset=\"tiny\", encoder={depth=5}}";
            let encoder = load(file, &[section]).unwrap().model.encoder;
            assert_eq!((encoder.width, encoder.depth), (96, 5));
        }
    }

    #[test]
    fn a_preset_is_its_sizes_and_nothing_else() {
        for name in NAMES {
            let mut sizes: Vec<String> = Vec::new();
            for (section, value) in preset(name).unwrap().as_object().unwrap() {
                match value.as_object() {
                    Some(of) => sizes.extend(of.keys().map(|key| format!("model.{section}.{key}"))),
                    None => sizes.push(format!("model.{section}")),
                }
            }
            let mut known: Vec<&str> = preset_keys().collect();
            known.sort_unstable();
            sizes.sort_unstable();
            assert_eq!(sizes, known);
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused_with_those_that_are() {
        let line = load("", &["model.preset=huge"]).unwrap_err().to_string();
        assert!(line.starts_with("model.preset = "), "{line}");
        assert!(line.ends_with("must be one of tiny, small, base"), "{line}");
        assert!(load("[model]\npreset = 3\n", &[]).is_err());
    }

    #[test]
    fn text_weights_from_a_file_stay_as_they_are_unless_it_is_asked() {
        let file = "[model.text]\nweights = \"clip.safetensors\"\n";
        assert!(!load(file, &[]).unwrap().model.text.trainable);
        let asked = load(file, &["model.text.trainable=true"]);
        assert!(asked.unwrap().model.text.trainable);
        for set in [
            "model.text.weights=clip.safetensors",
            "model.text.weights_digest=abc",
        ] {
            assert!(!load("", &[set]).unwrap().model.text.trainable, "{set}");
        }
        let file = "[model.text]\nweights = \"\"\n";
        assert!(load(file, &[]).unwrap().model.text.trainable);
    }
}
