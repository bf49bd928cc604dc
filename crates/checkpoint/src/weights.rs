//! One digest over all parameters, by which two runs are told equal.
//! Owns how it is made up, so that ranks that hold a part each come to the digest of the whole.

/// BLAKE3 over a parameter's name, its shape and its little-endian values, which come in pieces.
#[derive(Debug)]
pub struct TensorHash(pub(crate) blake3::Hasher);

impl TensorHash {
    /// Begins with what tells parameters of equal values apart.
    #[must_use]
    pub fn new(name: &str, shape: &[usize]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(name.as_bytes());
        for &side in shape {
            hasher.update(&(side as u64).to_le_bytes());
        }
        Self(hasher)
    }

    /// Takes the next values in as little-endian bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The parameter's digest.
    #[must_use]
    pub fn finish(self) -> blake3::Hash {
        self.0.finalize()
    }
}

/// The digest of all parameters in hexadecimal: BLAKE3 over their digests, one after the other in layout order.
#[must_use]
pub fn weights_root<'a>(digests: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut root = blake3::Hasher::new();
    for digest in digests {
        root.update(digest);
    }
    root.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_shape_and_every_bit_are_in_the_digest() {
        let of = |name: &str, shape: &[usize], value: f32| {
            let mut hash = TensorHash::new(name, shape);
            hash.update(&value.to_le_bytes());
            hash.finish()
        };
        let one = of("a", &[2, 3], 0.0);
        for other in [
            of("b", &[2, 3], 0.0),
            of("a", &[3, 2], 0.0),
            of("a", &[2, 3], -0.0),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn root_does_not_depend_on_how_the_digests_are_dealt() {
        let whole = [1_u8; 96];
        let pieces = [&whole[..32], &whole[32..]];
        assert_eq!(weights_root(pieces), weights_root([&whole[..]]));
    }
}
