//! The metrics of a step of pretraining: each is declared here, once, and computed in `step/told.rs`.

use fratmae_protocol::pb;
use fratmae_telemetry::{LOSS, Metric, MetricKind};

/// All of them, in the order of the history's columns.
pub const METRICS: [Metric; 10] = [
    loss(
        LOSS,
        "",
        "`reconstruction + train.contrastive_weight * contrastive`",
    ),
    loss(
        "reconstruction",
        "squared window units",
        "mean squared error on masked patches, both modalities",
    ),
    detail("pet_reconstruction", "the same where PET was masked"),
    detail("ct_reconstruction", "the same where CT was masked"),
    Metric {
        // It picks one of a batch.
        chance: Some(|batch| (batch.max(1) as f64).ln()),
        ..loss("contrastive", "nats", "InfoNCE between PET and text")
    },
    detail(
        "mean_baseline",
        "the error of predicting the mean of the masked voxels",
    ),
    detail("baseline_pet", "the same where PET was masked"),
    detail("baseline_ct", "the same where CT was masked"),
    detail("gradient_norm", "before clipping"),
    detail("learning_rate", "at this step"),
];

const fn loss(name: &'static str, unit: &'static str, help: &'static str) -> Metric {
    Metric {
        name,
        unit,
        kind: MetricKind::Loss,
        help,
        chance: None,
    }
}

const fn detail(name: &'static str, help: &'static str) -> Metric {
    Metric {
        name,
        unit: "",
        kind: MetricKind::Detail,
        help,
        chance: None,
    }
}

/// The metrics of these names as the coordinator takes them; one that a step does not have is not a number.
pub(crate) fn reported<const N: usize>(values: [(&str, Option<f64>); N]) -> [pb::Metric; N] {
    values.map(|(name, value)| pb::Metric {
        name: name.to_owned(),
        value: value.unwrap_or(f64::NAN),
    })
}
