//! The result of a finished run: what the last line of output shows, kept in the journal.

use crate::history::HistoryRow;
use fratmae_telemetry::Metrics;
use serde::{Deserialize, Serialize};

/// A finished run in figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Where the run is.
    pub run: String,
    /// The last step applied.
    pub step: u64,
    /// The metrics of the last step.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// The contrastive loss of who guesses: the log of the pairs in a batch. None without contrastive loss.
    #[serde(default)]
    pub contrastive_chance: Option<f64>,
    /// Means over the last steps, since one batch is a matter of luck. None where the history lacks them.
    #[serde(default)]
    pub recent: Option<Recent>,
    /// BLAKE3 over the parameters in their stable order.
    pub weights_digest: String,
    /// Samples in the lineage of the weights.
    pub samples_seen: u64,
    /// Wall time of the coordinator that finished it.
    pub seconds: f64,
    /// Time of all steps in the lineage of the weights, over all sessions; none in runs of earlier versions.
    #[serde(default)]
    pub training_seconds: Option<f64>,
}

/// Means over some steps; of each metric over those that had it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    pub steps: usize,
    /// The means.
    #[serde(flatten)]
    pub metrics: Metrics,
}

impl Recent {
    /// Works them out; none for no rows.
    pub(crate) fn of(rows: &[HistoryRow]) -> Option<Self> {
        let names = Metrics::names(rows.iter().map(|row| &row.metrics));
        let mean_of = |name| mean(rows.iter().map(|row| row.metrics.get(name)));
        (!rows.is_empty()).then(|| Self {
            steps: rows.len(),
            metrics: names
                .into_iter()
                .map(|name| (name, mean_of(name)))
                .collect(),
        })
    }
}

/// The mean of the finite ones: a batch that was passed over has none. Not a number without any.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values
        .filter(|value| value.is_finite())
        .fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pet: f64, contrastive: f64) -> HistoryRow {
        let metrics = [("pet_reconstruction", pet), ("contrastive", contrastive)];
        HistoryRow {
            metrics: metrics.into_iter().collect(),
            ..HistoryRow::default()
        }
    }

    #[test]
    fn a_mean_leaves_out_steps_without_the_metric() {
        let rows = [row(1.0, 3.0), row(f64::NAN, f64::NAN), row(3.0, 1.0)];
        let recent = Recent::of(&rows).unwrap();
        assert_eq!(recent.steps, 3);
        assert_eq!(recent.metrics.get("pet_reconstruction"), 2.0);
        assert_eq!(recent.metrics.get("contrastive"), 2.0);
        assert!(recent.metrics.get("ct_reconstruction").is_nan());
        assert_eq!(Recent::of(&[]), None);
    }

    #[test]
    fn a_summary_of_an_earlier_version_is_read() {
        let old = r#"{"run":"r","step":2,"loss":null,"reconstruction":0.5,"mean_baseline":1.0,"contrastive":2.0,
            "weights_digest":"a","samples_seen":8,"seconds":1.0}"#;
        let summary: Summary = serde_json::from_str(old).unwrap();
        assert!(summary.metrics.get("loss").is_nan() && summary.recent.is_none());
        assert_eq!(summary.metrics.get("reconstruction"), 0.5);
    }

    #[test]
    fn a_summary_with_figures_that_are_no_numbers_is_read_back() {
        let rows = [row(f64::NAN, f64::INFINITY)];
        let mut summary: Summary = serde_json::from_str(
            r#"{"run":"r","step":2,"weights_digest":"a","samples_seen":8,"seconds":1.0}"#,
        )
        .unwrap();
        summary.metrics = rows[0].metrics.clone();
        summary.recent = Recent::of(&rows);
        summary.training_seconds = Some(f64::NAN);
        let printed = serde_json::to_string(&summary).unwrap();
        let read: Summary = serde_json::from_str(&printed).unwrap();
        assert_eq!(read.step, 2);
        assert!(read.metrics.get("pet_reconstruction").is_nan(), "{printed}");
        assert!(read.recent.is_some(), "{printed}");
    }

    #[test]
    fn a_summary_reads_back_as_it_was_printed() {
        let old = r#"{"run":"r","step":2,"contrastive":2.0,"loss":0.25,"contrastive_chance":2.5,"recent":{"steps":2,"loss":0.5},"weights_digest":"a","samples_seen":8,"seconds":1.0,"training_seconds":2.0}"#;
        let summary: Summary = serde_json::from_str(old).unwrap();
        assert_eq!(serde_json::to_string(&summary).unwrap(), old);
    }
}
