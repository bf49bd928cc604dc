//! The whole config of a run: the sections together, read in layers, checked, and written back.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Checkpoint, Collective, ConfigError, Coordinator, Data, Launch, Model, Origin, Run, Store,
    Train, Workers,
    layers::{overlay, read_assignment, read_file},
    preset::{expand, lay_under},
    relations,
};

/// Everything a run can be told. `Default` is the paper's setting as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Name and seed.
    pub run: Run,
    /// What is learned from.
    pub data: Data,
    /// The network.
    pub model: Model,
    /// How it learns.
    pub train: Train,
    /// How its state is stored.
    pub checkpoint: Checkpoint,
    /// How patient it is with stores.
    pub store: Store,
    /// Who computes.
    pub workers: Workers,
    /// How they exchange gradients.
    pub collective: Collective,
    /// Who leads them.
    pub coordinator: Coordinator,
    /// Where their processes are started.
    pub launch: Launch,
}

impl Config {
    /// Lays the job file at `path` and then each `section.key=value` of `sets` over the defaults, and checks the result.
    ///
    /// `model.preset`, which either may name, stands for its sizes: a file's under the file's own sizes, one of `sets` over
    /// all that comes before it.
    ///
    /// # Errors
    /// `Read` and `Syntax` for the file, `Assignment` for an override without `=`, `UnknownKey` and `Value` for what either says,
    /// `Relation` for values that do not go together.
    pub fn load(path: Option<&Path>, sets: &[String]) -> Result<Self, ConfigError> {
        let mut layers = Vec::new();
        if let Some(path) = path {
            let origin = Origin::File(path.to_owned());
            layers.push((String::new(), read_file(path)?, origin));
        }
        for text in sets {
            let (key, value) = read_assignment(text)?;
            layers.push((key, value, Origin::Set));
        }
        let layers = expand(layers)?;
        let mut tree = Self::default().to_tree();
        lay_under(&mut tree, &layers)?;
        for (key, value, origin) in layers {
            overlay(&mut tree, &key, value, &origin)?;
        }
        Self::from_tree(tree)
    }

    /// Judges every value and every relation between values.
    ///
    /// # Errors
    /// `Value` or `Relation`, the first found.
    pub fn check(&self) -> Result<(), ConfigError> {
        overlay(&mut Value::Null, "", self.to_tree(), &Origin::Memory)?;
        relations::check_relations(self)
    }

    /// What is allowed and yet probably not meant, one line each.
    pub fn warnings(&self) -> Vec<String> {
        relations::warnings(self)
    }

    /// The config as JSON, every key written out.
    pub fn to_json(&self) -> String {
        format!("{:#}\n", self.to_tree())
    }

    /// Reads what `to_json` wrote and checks it; a key that an older version did not know takes its default.
    ///
    /// # Errors
    /// `Json` when it is not JSON, otherwise as `load`.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let stored = serde_json::from_str(text).map_err(|source| ConfigError::Json { source })?;
        let mut tree = Self::default().to_tree();
        overlay(&mut tree, "", stored, &Origin::Json)?;
        Self::from_tree(tree)
    }

    fn from_tree(tree: Value) -> Result<Self, ConfigError> {
        let config: Self =
            serde_json::from_value(tree).map_err(|source| ConfigError::Json { source })?;
        relations::check_relations(&config)?;
        Ok(config)
    }

    pub(crate) fn to_tree(&self) -> Value {
        serde_json::to_value(self).expect("numbers, texts and lists under text keys are JSON")
    }
}

#[cfg(test)]
mod tests;
