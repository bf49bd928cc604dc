//! Metrics of a step: how whoever computes one declares it, and their values by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The metric that every task has: what training makes smaller.
pub const LOSS: &str = "loss";

/// What a metric is. Whoever computes it declares it once; log, history, status and progress follow from that.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name: the key in log lines and the column of the history.
    pub name: &'static str,
    /// Its unit; empty without one.
    pub unit: &'static str,
    /// Whom it is for.
    pub kind: MetricKind,
    /// What it is, for people.
    pub help: &'static str,
    /// What guessing gives in a batch of so many samples, where that is known.
    pub chance: Option<fn(u64) -> f64>,
}

impl Metric {
    /// A loss that people watch.
    #[must_use]
    pub const fn loss(name: &'static str, unit: &'static str, help: &'static str) -> Self {
        Self {
            name,
            unit,
            kind: MetricKind::Loss,
            help,
            chance: None,
        }
    }

    /// A detail without a unit.
    #[must_use]
    pub const fn detail(name: &'static str, help: &'static str) -> Self {
        Self {
            kind: MetricKind::Detail,
            ..Self::loss(name, "", help)
        }
    }
}

/// Whom a metric is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A loss that people watch: progress shows it.
    Loss,
    /// A detail, for the log and the history.
    Detail,
}

/// Values of metrics by name, in the order in which they were given; one that a step does not have is NaN.
///
/// As JSON it is an object in the order of names, where a value that is not finite is null.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics(Vec<(String, f64)>);

impl Metrics {
    /// The value of this name, NaN if there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> f64 {
        let found = self.iter().find(|(known, _)| *known == name);
        found.map_or(f64::NAN, |(_, value)| value)
    }

    /// The names in any of some steps' metrics, each once, in the order in which they come.
    #[must_use]
    pub fn names<'a>(steps: impl IntoIterator<Item = &'a Self>) -> Vec<&'a str> {
        let mut names = Vec::new();
        for (name, _) in steps.into_iter().flat_map(Self::iter) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Every name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

impl<N: Into<String>> FromIterator<(N, f64)> for Metrics {
    fn from_iter<I: IntoIterator<Item = (N, f64)>>(values: I) -> Self {
        let values = values.into_iter();
        Self(values.map(|(name, value)| (name.into(), value)).collect())
    }
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.iter()
            .collect::<BTreeMap<_, _>>()
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Metrics {
    /// Takes numbers and nulls; where metrics are flattened into an object, other keys of it come here too.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let value = |value: &Value| match value {
            Value::Null => Some(f64::NAN),
            value => value.as_f64(),
        };
        let values = object.into_iter();
        Ok(values
            .filter_map(|(name, json)| Some((name, value(&json)?)))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_to_json_and_back_and_other_keys_are_left_out() {
        let metrics: Metrics = [("norm", f64::INFINITY), ("loss", 0.1 + 0.2)]
            .into_iter()
            .collect();
        let text = serde_json::to_string(&metrics).unwrap();
        assert_eq!(text, r#"{"loss":0.30000000000000004,"norm":null}"#);
        let back: Metrics = serde_json::from_str(&text).unwrap();
        assert_eq!(back.get("loss").to_bits(), metrics.get("loss").to_bits());
        assert!(back.get("norm").is_nan() && back.get("other").is_nan());
        let among = r#"{"level":"INFO","loss":1,"members":["a"]}"#;
        let loss: Metrics = [(LOSS, 1.0)].into_iter().collect();
        assert_eq!(serde_json::from_str::<Metrics>(among).unwrap(), loss);
    }
}
