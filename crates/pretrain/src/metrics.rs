//! The metrics of a step of pretraining: each is declared here, once, and computed in `message.rs` or by the engine.

use fratmae_telemetry::{LOSS, Metric};
use fratmae_trainer::{GRADIENT_NORM, LEARNING_RATE};

/// All of them, in the order of the history's columns.
pub const METRICS: [Metric; 10] = [
    Metric::loss(
        LOSS,
        "",
        "`reconstruction + train.contrastive_weight * contrastive`",
    ),
    Metric::loss(
        "reconstruction",
        "squared window units",
        "mean squared error on masked patches, both modalities",
    ),
    Metric::detail("pet_reconstruction", "the same where PET was masked"),
    Metric::detail("ct_reconstruction", "the same where CT was masked"),
    Metric {
        // It picks one of a batch.
        chance: Some(|batch| (batch.max(1) as f64).ln()),
        ..Metric::loss("contrastive", "nats", "InfoNCE between PET and text")
    },
    Metric::detail(
        "mean_baseline",
        "the error of predicting the mean of the masked voxels",
    ),
    Metric::detail("baseline_pet", "the same where PET was masked"),
    Metric::detail("baseline_ct", "the same where CT was masked"),
    GRADIENT_NORM,
    LEARNING_RATE,
];
