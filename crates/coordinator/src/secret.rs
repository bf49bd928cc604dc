//! Texts that nobody can guess: what shows that a seat is a worker's own, or that this coordinator started it.

/// Drawn from the system's randomness.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    pub(crate) fn draw() -> Self {
        Self(fratmae_trust::draw().expect("the system has randomness"))
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
