//! fratmae-worker.
