//! Which values decide the bits of the result. A run may be resumed with others changed, never with these.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::job::Config;

const DECIDING_SECTIONS: &[&str] = &["model.", "train."];
const DECIDING_KEYS: &[&str] = &[
    "run.seed",
    "data.grid",
    "data.axis",
    "data.stride",
    "data.suv_window",
    "data.hu_window",
    "data.diagnosis_in_sentence",
    "collective.reduction",
];

/// Files whose digests decide: where they lie does not.
const PLACES: &[&str] = &["model.init_from", "model.text.weights"];

/// What becomes of trouble: a run that "fail" ended may go on with "skip", and where both go on they give the same bits.
const REMEDIES: &[&str] = &["train.bad_batch"];

/// A key that decides the result and has two values.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The key with its section.
    pub key: String,
    /// Its value in the config asked.
    pub ours: Value,
    /// Its value in the other config.
    pub theirs: Value,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is {} and was {}", self.key, self.ours, self.theirs)
    }
}

impl Config {
    /// The dotted keys that decide the bits of the result, with their values.
    ///
    /// The data itself is not among them: its digest is.
    pub fn identity(&self) -> BTreeMap<String, Value> {
        let mut keys = self.flatten();
        keys.retain(|key, _| {
            let key = key.as_str();
            let decides = DECIDING_SECTIONS.iter().any(|s| key.starts_with(s));
            let is_exempt = PLACES.contains(&key) || REMEDIES.contains(&key);
            DECIDING_KEYS.contains(&key) || (decides && !is_exempt)
        });
        keys
    }

    /// The identity as one stable text, for hashing: JSON with its keys in order.
    pub fn digest(&self) -> String {
        let pairs: Vec<_> = self
            .identity()
            .into_iter()
            .map(|(key, value)| format!("{}:{value}", Value::String(key)))
            .collect();
        format!("{{{}}}", pairs.join(","))
    }

    /// The keys that decide the result and differ, `other` being the config of before.
    pub fn differing_keys(&self, other: &Self) -> Vec<Difference> {
        let theirs = other.identity();
        self.identity()
            .into_iter()
            .filter_map(|(key, ours)| {
                let theirs = theirs.get(&key).cloned().unwrap_or(Value::Null);
                (ours != theirs).then_some(Difference { key, ours, theirs })
            })
            .collect()
    }

    /// Every key with its value.
    pub(crate) fn flatten(&self) -> BTreeMap<String, Value> {
        let mut keys = BTreeMap::new();
        collect("", self.to_tree(), &mut keys);
        keys
    }
}

fn collect(path: &str, value: Value, keys: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(section) => section.into_iter().for_each(|(name, value)| {
            let path = if path.is_empty() {
                name
            } else {
                format!("{path}.{name}")
            };
            collect(&path, value, keys);
        }),
        value => {
            keys.insert(path.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests;
