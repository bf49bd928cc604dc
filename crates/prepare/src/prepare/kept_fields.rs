//! Owns the account of what a data set says of its patients: which of the allowed fields, and which columns it left out.

use std::collections::BTreeMap;

use fratmae_dataset::{ManifestCase, Metadata};
use serde::{Deserialize, Serialize};

/// Says whether a study has a field.
type IsKnown = fn(&Metadata) -> bool;

/// Every field of the allow-list, as tables and reports name it.
const FIELDS: [(&str, IsKnown); 5] = [
    ("tracer", |metadata| metadata.tracer.is_some()),
    ("age", |metadata| metadata.age.is_some()),
    ("sex", |metadata| metadata.sex.is_some()),
    ("diagnosis", |metadata| metadata.diagnosis.is_some()),
    ("stage", |metadata| metadata.stage.is_some()),
];

/// Says what of headers and tables enters a data set. Nothing that is not named here does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFields {
    /// Each field of the allow-list, and how many cases of the data set have it.
    pub kept: BTreeMap<String, usize>,
    /// Columns of tables of which nothing was kept.
    pub dropped_columns: Vec<String>,
}

impl KeptFields {
    pub(super) fn of<'a>(
        cases: impl Iterator<Item = &'a ManifestCase> + Clone,
        dropped_columns: Vec<String>,
    ) -> Self {
        let count = |(name, is_known): (&str, IsKnown)| {
            let known = cases.clone().filter(|case| is_known(&case.metadata));
            (name.to_owned(), known.count())
        };
        Self {
            kept: FIELDS.map(count).into(),
            dropped_columns,
        }
    }
}
