//! fratmae-collective.
