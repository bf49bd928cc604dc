//! The result of a finished run: what the last line of output says, kept in the journal.

use serde::{Deserialize, Serialize};

/// A finished run in figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Where the run is.
    pub run: String,
    /// The last step applied.
    pub step: u64,
    /// The loss of the last step.
    pub loss: f64,
    /// Its reconstruction part: mean squared error on masked patches.
    pub reconstruction: f64,
    /// The error of predicting the mean of the same voxels.
    pub mean_baseline: f64,
    /// Its contrastive part.
    pub contrastive: f64,
    /// BLAKE3 over the parameters in their stable order.
    pub weights_digest: String,
    /// Samples in the lineage of the weights.
    pub samples_seen: u64,
    /// Wall time of the coordinator that finished it.
    pub seconds: f64,
}
