//! fratmae-store.
