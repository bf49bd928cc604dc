//! A config as a job file that parses back to the same job: every key with its value, its default and what it is for.

use serde::Serialize;
use serde_json::Value;

use crate::{
    Config,
    preset::{NAMES, preset, preset_keys},
    rules::rules,
};

const WIDTH: usize = 118;

/// One key of the job file, its value in a config, and what can be said of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Key {
    /// The key with its section.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
    /// Its value where nobody gives one.
    pub default: Value,
    /// What values are allowed.
    pub allowed: String,
    /// The unit of its value, where it has one.
    pub unit: Option<&'static str>,
    /// What it is for, and the reason of its default.
    pub about: String,
}

impl Config {
    /// Every key there is, in the order of the job file.
    pub fn keys(&self) -> Vec<Key> {
        let (values, defaults) = (self.flatten(), Self::default().flatten());
        let value = |map: &std::collections::BTreeMap<String, Value>, key: &str| {
            map.get(key).cloned().unwrap_or_default()
        };
        let keys = rules().map(|(key, allowed, text)| Key {
            key,
            value: value(&values, key),
            default: value(&defaults, key),
            allowed: allowed.describe(),
            unit: unit(key),
            about: text.replace('\n', " "),
        });
        keys.collect()
    }

    /// The job file: TOML that [`Config::load`] reads back to the same config.
    ///
    /// Sizes that are those of a preset are written as its name, and each as a comment.
    pub fn to_toml(&self) -> String {
        let keys = self.keys();
        let preset = self.preset();
        let mut text = String::from(
            "# A fratmae job: every key with its value. Keys that a job file omits have their defaults.\n\
             # Any key can be changed on the command line; the last --set wins: --set train.lr=2e-4\n\
             # \"Paper\" is FratMAE (arXiv 2503.02824v1); its sizes need GPUs. What it does not state is marked.\n",
        );
        let mut section = "";
        for (key, (_, _, text_of_key)) in keys.iter().zip(rules()) {
            let (of, name) = key.key.rsplit_once('.').unwrap_or(("", key.key));
            if of != section {
                section = of;
                text.push_str(&format!("\n[{section}]\n"));
                if section == "model" {
                    text.push_str(&preset_lines(preset));
                }
            }
            let is_of_preset = preset.is_some() && preset_keys().any(|known| known == key.key);
            text.extend(text_of_key.lines().map(comment));
            text.push_str(&line(key, name, is_of_preset));
        }
        text
    }

    /// The preset whose sizes these are.
    fn preset(&self) -> Option<&'static str> {
        let ours = self.flatten();
        NAMES.into_iter().find(|name| {
            let Some(sizes) = preset(name) else {
                return false;
            };
            preset_keys().all(|key| {
                let path = format!("/{}", key.trim_start_matches("model.").replace('.', "/"));
                sizes.pointer(&path) == ours.get(key)
            })
        })
    }
}

fn preset_lines(preset: Option<&str>) -> String {
    let text = comment(
        "Named sizes of encoder, decoder, text encoder and embedding: \"tiny\" (the quickstart's), \"small\" (an hour on a \
         few cores) or \"base\" (the paper's ViT-B). If a preset and a size are both given, the later one wins, in this \
         order: defaults, the file's preset, the file's sizes, each --set.",
    );
    match preset {
        Some(name) => format!("{text}preset = \"{name}\"\n"),
        None => format!("{text}# preset = \"base\"\n"),
    }
}

fn line(key: &Key, name: &str, is_of_preset: bool) -> String {
    // A size that the preset gives is shown and not set, so that another preset can be typed in its place.
    let mark = if is_of_preset { "# " } else { "" };
    let value = toml_of(&key.value);
    let default = match key.value != key.default && !is_of_preset {
        true => format!("  # default: {}", toml_of(&key.default)),
        false => String::new(),
    };
    format!("{mark}{name} = {value}{default}\n")
}

/// Text as comment lines of a width that is read in one glance.
fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line + "\n"
}

/// A value as TOML writes it; large numbers in groups of three digits.
fn toml_of(value: &Value) -> String {
    match value {
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(toml_of).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Number(number) => match number.as_u64() {
            Some(whole) if whole >= 10_000 => grouped(whole),
            Some(whole) => whole.to_string(),
            None => number.as_f64().map_or_else(|| number.to_string(), float),
        },
        other => other.to_string(),
    }
}

fn grouped(whole: u64) -> String {
    let digits = whole.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

/// A number that is read back to the same one; very small and very large ones with an exponent.
fn float(number: f64) -> String {
    let size = number.abs();
    match size > 0.0 && !(1e-3..1e7).contains(&size) {
        true => format!("{number:e}"),
        false => format!("{number:?}"),
    }
}

/// The unit that a key's name ends in.
fn unit(key: &str) -> Option<&'static str> {
    let name = key.rsplit(['.', '_']).next()?;
    let unit = match name {
        "s" => "s",
        "ms" => "ms",
        "mib" => "MiB",
        "pct" => "%",
        _ => return None,
    };
    Some(unit)
}

#[cfg(test)]
mod tests;
