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

/// Keys of the network that leave the names and shapes of its parameters as they are.
const SHAPELESS: &[&str] = &[
    "model.mask_ratio",
    "model.masking",
    "model.modality",
    "model.norm_pix",
    "model.init_digest",
    "model.text.trainable",
    "model.text.weights_digest",
];

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
        write!(f, "{}: now {}, was {}", self.key, self.ours, self.theirs)
    }
}

impl Difference {
    /// Whether networks that differ in it have parameters of other names or shapes, so that neither can take the other's
    /// weights.
    #[must_use]
    pub fn changes_shape(&self) -> bool {
        let key = self.key.as_str();
        key.starts_with("model.") && !SHAPELESS.contains(&key)
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

    /// BLAKE3 over the identity, in hexadecimal digits.
    pub fn digest(&self) -> String {
        let digest = blake3::hash(self.identity_json().as_bytes());
        digest.to_hex().to_string()
    }

    /// The identity as one stable text: JSON with its keys in order.
    fn identity_json(&self) -> String {
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

    /// Takes over from `began`, the config that a run was begun with, what this one leaves unsaid of its first weights:
    /// once a run has begun, the digests of the files stand for them. Gives a line for each key that was taken.
    ///
    /// A digest that is given, or was computed from a file that is named, stays and is compared as every other key.
    pub fn adopt_first_weights(&mut self, began: &Self) -> Vec<String> {
        let (model, theirs) = (&mut self.model, &began.model);
        let mut taken = Vec::new();
        let mut take = |key: &str, value: &dyn std::fmt::Display| {
            taken.push(format!("{key} is not given; the run has {value}"));
        };
        if model.init_digest.is_empty() && !theirs.init_digest.is_empty() {
            model.init_digest.clone_from(&theirs.init_digest);
            take("model.init_digest", &theirs.init_digest);
        }
        let (text, theirs) = (&mut model.text, &theirs.text);
        if text.weights_digest.is_empty() && !theirs.weights_digest.is_empty() {
            text.weights_digest.clone_from(&theirs.weights_digest);
            take("model.text.weights_digest", &theirs.weights_digest);
            // Its default follows from the file's being named.
            if text.weights.is_empty() && text.trainable != theirs.trainable {
                text.trainable = theirs.trainable;
                take("model.text.trainable", &theirs.trainable);
            }
        }
        taken
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
