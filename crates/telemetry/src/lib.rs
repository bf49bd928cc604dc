//! fratmae-telemetry.
