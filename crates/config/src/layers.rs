//! Lays a job file and overrides over the defaults, key by key, so that each complaint names its key and its place.

use std::path::Path;

use serde_json::{Map, Value};

use crate::{
    error::{ConfigError, Origin},
    rules::{Allowed, allowed, is_section},
    suggest::nearest_key,
};

/// Jobs that the program carries with it, for a machine that has the program alone.
pub(crate) const BUILT_IN: [(&str, &str); 3] = [
    (
        "quickstart",
        include_str!("../../../configs/quickstart.toml"),
    ),
    ("base", include_str!("../../../configs/base.toml")),
    (
        "invariance",
        include_str!("../../../configs/invariance.toml"),
    ),
];

/// Reads the TOML of a job file, or of the built-in job of that name where there is no such file.
///
/// # Errors
/// `Read` when the file cannot be read as text, `Syntax` with the line when it is not TOML.
pub(crate) fn read_file(path: &Path) -> Result<Value, ConfigError> {
    let built_in = BUILT_IN.iter().find(|(name, _)| path == Path::new(name));
    if let Some((_, text)) = built_in.filter(|_| !path.exists()) {
        return parse_toml(text, path);
    }
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse_toml(&text, path)
}

fn parse_toml(text: &str, path: &Path) -> Result<Value, ConfigError> {
    let table: toml::Table =
        text.parse()
            .map_err(|error: toml::de::Error| ConfigError::Syntax {
                path: path.to_owned(),
                line: line_of(text, error.span().map_or(0, |span| span.start)),
                message: error.message().replace('\n', ", "),
            })?;
    Ok(from_toml(toml::Value::Table(table)))
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|byte| **byte == b'\n').count() + 1
}

/// Reads one `section.key=value`; a value that is no TOML is taken as text.
///
/// # Errors
/// `Assignment` when there is no `=` or nothing before it.
pub(crate) fn read_assignment(text: &str) -> Result<(String, Value), ConfigError> {
    let malformed = || ConfigError::Assignment {
        text: text.to_owned(),
    };
    let (key, raw) = text.split_once('=').ok_or_else(malformed)?;
    let (key, raw) = (key.trim(), raw.trim());
    if key.is_empty() || key.split('.').any(str::is_empty) {
        return Err(malformed());
    }
    let verbatim = Value::String(raw.to_owned());
    let value = match toml_value(raw) {
        Some(value) if value.is_string() => value,
        Some(value) if !allowed(key).is_some_and(Allowed::is_text) => value,
        Some(_) | None => verbatim,
    };
    Ok((key.to_owned(), value))
}

fn toml_value(raw: &str) -> Option<Value> {
    let mut table: toml::Table = format!("value = {raw}").parse().ok()?;
    let value = table.remove("value")?;
    table.is_empty().then(|| from_toml(value))
}

/// Turns TOML into JSON, which the rest of the crate speaks. Infinity, not-a-number and dates become text, which no rule for numbers admits.
fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(n) => Value::from(n),
        toml::Value::Float(n) if n.is_finite() => Value::from(n),
        toml::Value::Float(n) => Value::String(n.to_string()),
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(items) => items.into_iter().map(from_toml).collect(),
        toml::Value::Table(table) => table
            .into_iter()
            .map(|(key, value)| (key, from_toml(value)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// Sets the value or the section at the dotted `key` of `tree`, after judging every value in it.
///
/// # Errors
/// `UnknownKey` or `Value`, naming `origin`.
pub(crate) fn overlay(
    tree: &mut Value,
    key: &str,
    value: Value,
    origin: &Origin,
) -> Result<(), ConfigError> {
    match (allowed(key), value) {
        (Some(allowed), value) => {
            judge(key, allowed, &value, origin)?;
            put(tree, key, value);
            Ok(())
        }
        (None, Value::Object(section)) if key.is_empty() || is_section(key) => section
            .into_iter()
            .try_for_each(|(name, value)| overlay(tree, &dotted(key, &name), value, origin)),
        (None, value) if is_section(key) => Err(ConfigError::Value {
            key: key.to_owned(),
            value: value.to_string(),
            allowed: format!("a section, written [{key}]"),
            origin: origin.clone(),
        }),
        (None, _) => Err(ConfigError::UnknownKey {
            key: key.to_owned(),
            nearest: nearest_key(key),
            origin: origin.clone(),
        }),
    }
}

fn judge(key: &str, allowed: Allowed, value: &Value, origin: &Origin) -> Result<(), ConfigError> {
    if allowed.admits(value) {
        return Ok(());
    }
    Err(ConfigError::Value {
        key: key.to_owned(),
        value: value.to_string(),
        allowed: allowed.describe(),
        origin: origin.clone(),
    })
}

fn dotted(section: &str, name: &str) -> String {
    if section.is_empty() {
        name.to_owned()
    } else {
        format!("{section}.{name}")
    }
}

fn put(tree: &mut Value, key: &str, value: Value) {
    let place = key.split('.').fold(tree, |node, name| &mut node[name]);
    *place = value;
}

#[cfg(test)]
mod tests;
