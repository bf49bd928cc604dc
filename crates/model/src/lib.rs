//! fratmae-model.
