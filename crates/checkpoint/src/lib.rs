//! fratmae-checkpoint.
