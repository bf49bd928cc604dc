//! Owns the account of what a data set says of its patients: which of the allowed fields, and which columns it left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metadata::FIELDS;
use crate::source::Survey;

/// Says what of headers and tables enters a data set. Nothing that is not named here does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFields {
    /// Each field of the allow-list, and how many cases of the source have it.
    pub kept: BTreeMap<String, usize>,
    /// Columns of tables of which nothing was kept.
    pub dropped_columns: Vec<String>,
}

impl KeptFields {
    pub(super) fn of(survey: &Survey) -> Self {
        let mut counts = [0; FIELDS.len()];
        for case in &survey.cases {
            for (count, is_known) in counts.iter_mut().zip(case.metadata.known()) {
                *count += usize::from(is_known);
            }
        }
        let names = FIELDS.map(str::to_owned);
        Self {
            kept: names.into_iter().zip(counts).collect(),
            dropped_columns: survey.dropped_columns.clone(),
        }
    }
}
