//! fratmae-config.
