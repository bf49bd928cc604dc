//! fratmae-protocol.
