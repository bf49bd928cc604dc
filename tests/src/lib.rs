//! fratmae-tests.
