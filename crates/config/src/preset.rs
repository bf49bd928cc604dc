//! What lies between the defaults and what the user wrote: a network by name, and values that follow from others.
//! It judges no value but the name.

use serde_json::{Value, json};

use crate::Model;
use crate::error::{ConfigError, Origin};
use crate::layers::overlay;

/// Key, value and where it was written.
type Layer = (String, Value, Origin);

const KEY: &str = "model.preset";

/// Lays the preset that `layers` name, which is taken out of them, and what follows from `layers` over `tree`.
///
/// # Errors
/// `Value` for a name that is none.
pub(crate) fn lay_under(tree: &mut Value, layers: &mut Vec<Layer>) -> Result<(), ConfigError> {
    let mut chosen = None;
    for (key, value, origin) in layers.iter_mut() {
        if let Some(name) = take(key, value) {
            chosen = Some((name, origin.clone()));
        }
    }
    layers.retain(|(key, ..)| key != KEY);
    if let Some((name, origin)) = chosen {
        let values = preset(&name).ok_or_else(|| ConfigError::Value {
            key: KEY.to_owned(),
            value: name.to_string(),
            allowed: "one of tiny, small, base".to_owned(),
            origin: origin.clone(),
        })?;
        overlay(tree, "model", values, &origin)?;
    }
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
fn preset(name: &Value) -> Option<Value> {
    let model = Model::preset(name.as_str()?)?;
    let sizes = |width, depth, heads| json!({"width": width, "depth": depth, "heads": heads});
    let (encoder, decoder, text) = (model.encoder, model.decoder, model.text);
    Some(json!({
        "encoder": sizes(encoder.width, encoder.depth, encoder.heads),
        "decoder": sizes(decoder.width, decoder.depth, decoder.heads),
        "text": sizes(text.width, text.depth, text.heads),
        "embedding": model.embedding,
    }))
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
    fn what_the_user_writes_goes_over_the_preset() {
        let file = "[model]\npreset = \"small\"\n[model.encoder]\ndepth = 3\n";
        let model = load(file, &[]).unwrap().model;
        assert_eq!((model.encoder.width, model.encoder.depth), (192, 3));
        assert_eq!((model.decoder.width, model.text.depth), (144, 4));
        let model = load(file, &["model.preset=tiny"]).unwrap().model;
        assert_eq!((model.encoder.width, model.encoder.depth), (96, 3));
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
