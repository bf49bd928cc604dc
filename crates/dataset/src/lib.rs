//! fratmae-dataset.
