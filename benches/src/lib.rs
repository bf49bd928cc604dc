//! fratmae-benches.
