//! Texts that nobody can guess: what shows that a seat is a worker's own, or that this coordinator started it.

use std::hash::{BuildHasher, Hasher, RandomState};

/// As hard to guess as the 128 bits that it is drawn from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    /// Draws one. The standard library seeds its hashers from the system's randomness.
    pub(crate) fn draw() -> Self {
        let mut secret = blake3::Hasher::new();
        for _ in 0..4 {
            let random = RandomState::new().build_hasher().finish();
            secret.update(&random.to_le_bytes());
        }
        Self(secret.finalize().into())
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// As text.
    pub(crate) fn to_text(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }
}

/// What may be written down of a secret: whoever reads it learns nothing.
pub(crate) fn digest(secret: &[u8]) -> String {
    blake3::hash(secret).to_hex().to_string()
}
