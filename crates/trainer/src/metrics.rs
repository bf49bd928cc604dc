//! The metrics that the engine adds to a task's own.

use telemetry::Metric;

/// The norm of the gradient.
pub const GRADIENT_NORM: Metric = Metric::detail("gradient_norm", "before clipping");
/// What the update was scaled by.
pub const LEARNING_RATE: Metric = Metric::detail("learning_rate", "at this step");
