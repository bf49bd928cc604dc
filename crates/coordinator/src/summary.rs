//! The result of a finished run: what the last line of output says, kept in the journal.

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
    /// BLAKE3 over the parameters in their stable order.
    pub weights_digest: String,
    /// Samples in the lineage of the weights.
    pub samples_seen: u64,
    /// Wall time of the coordinator that finished it.
    pub seconds: f64,
}

/// What versions before this one did not write down.
const fn unknown() -> f64 {
    f64::NAN
}

/// JSON has no word for a loss that is not finite, as of a last step that was passed over.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}
