//! fratmae-coordinator.
