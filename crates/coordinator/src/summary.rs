//! The result of a finished run: what the last line of output shows, kept in the journal.

use crate::history::HistoryRow;

use serde::{Deserialize, Deserializer, Serialize};

/// A finished run in figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Where the run is.
    pub run: String,
    /// The last step applied.
    pub step: u64,
    /// The loss of the last step.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// Its reconstruction part: mean squared error on masked patches.
    #[serde(deserialize_with = "number")]
    pub reconstruction: f64,
    /// The error of predicting the mean of the same voxels.
    pub mean_baseline: f64,
    /// The error on masked PET patches alone.
    #[serde(default = "unknown", deserialize_with = "number")]
    pub pet_reconstruction: f64,
    /// The error of predicting the mean of these voxels.
    #[serde(default = "unknown", deserialize_with = "number")]
    pub baseline_pet: f64,
    /// The error on masked CT patches alone.
    #[serde(default = "unknown", deserialize_with = "number")]
    pub ct_reconstruction: f64,
    /// The error of predicting the mean of these voxels.
    #[serde(default = "unknown", deserialize_with = "number")]
    pub baseline_ct: f64,
    /// Its contrastive part.
    #[serde(deserialize_with = "number")]
    pub contrastive: f64,
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

/// Means over some steps; of each modality over those that had samples of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    /// How many steps.
    pub steps: usize,
    /// The error on masked PET patches.
    #[serde(deserialize_with = "number")]
    pub pet_reconstruction: f64,
    /// The error of predicting the mean of these voxels.
    #[serde(deserialize_with = "number")]
    pub baseline_pet: f64,
    /// The error on masked CT patches.
    #[serde(deserialize_with = "number")]
    pub ct_reconstruction: f64,
    /// The error of predicting the mean of these voxels.
    #[serde(deserialize_with = "number")]
    pub baseline_ct: f64,
    /// The contrastive loss.
    #[serde(deserialize_with = "number")]
    pub contrastive: f64,
}

impl Recent {
    /// Works them out; none for no rows.
    pub(crate) fn of(rows: &[HistoryRow]) -> Option<Self> {
        let figures = || rows.iter().map(|row| &row.figures);
        let pet = || figures().filter(|it| it.baseline_pet > 0.0);
        let ct = || figures().filter(|it| it.baseline_ct > 0.0);
        (!rows.is_empty()).then(|| Self {
            steps: rows.len(),
            pet_reconstruction: mean(pet().map(|it| it.pet_reconstruction)),
            baseline_pet: mean(pet().map(|it| it.baseline_pet)),
            ct_reconstruction: mean(ct().map(|it| it.ct_reconstruction)),
            baseline_ct: mean(ct().map(|it| it.baseline_ct)),
            contrastive: mean(figures().map(|it| it.contrastive)),
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

/// What versions before this one did not write down.
const fn unknown() -> f64 {
    f64::NAN
}

/// JSON has no word for a loss that is not finite, as of a last step that was passed over.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pet: (f64, f64), contrastive: f64) -> HistoryRow {
        let mut row = HistoryRow {
            step: 1,
            generation: 1,
            figures: Default::default(),
        };
        (row.figures.pet_reconstruction, row.figures.baseline_pet) = pet;
        row.figures.contrastive = contrastive;
        row
    }

    #[test]
    fn a_mean_leaves_out_steps_without_the_modality_and_batches_that_were_passed_over() {
        let rows = [
            row((1.0, 2.0), 3.0),
            row((0.0, 0.0), f64::NAN),
            row((3.0, 4.0), 1.0),
        ];
        let recent = Recent::of(&rows).unwrap();
        assert_eq!((recent.pet_reconstruction, recent.baseline_pet), (2.0, 3.0));
        assert_eq!((recent.steps, recent.contrastive), (3, 2.0));
        assert!(recent.ct_reconstruction.is_nan());
        assert_eq!(Recent::of(&[]), None);
    }

    #[test]
    fn a_summary_of_an_earlier_version_is_read() {
        let old = r#"{"run":"r","step":2,"loss":null,"reconstruction":0.5,"mean_baseline":1.0,"contrastive":2.0,
            "weights_digest":"a","samples_seen":8,"seconds":1.0}"#;
        let summary: Summary = serde_json::from_str(old).unwrap();
        assert!(summary.baseline_pet.is_nan() && summary.recent.is_none());
    }
}
