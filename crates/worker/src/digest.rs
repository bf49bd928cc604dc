//! One digest over all parameters, by which two runs are told equal.

use fratmae_model::Parameter;

/// BLAKE3, in hexadecimal, over every parameter's name, shape and little-endian values in layout order.
pub(crate) fn weights_digest(parameters: &[Parameter], flat: &[f32]) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = Vec::new();
    for parameter in parameters {
        hasher.update(parameter.name.as_bytes());
        for &length in &parameter.shape {
            hasher.update(&(length as u64).to_le_bytes());
        }
        let size: usize = parameter.shape.iter().product();
        for piece in flat[parameter.offset..parameter.offset + size].chunks(1 << 16) {
            bytes.clear();
            bytes.extend(piece.iter().flat_map(|value| value.to_le_bytes()));
            hasher.update(&bytes);
        }
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_model::Update;

    fn layout(name: &str, shape: &[usize]) -> Vec<Parameter> {
        vec![Parameter {
            name: name.to_owned(),
            shape: shape.to_vec(),
            offset: 0,
            gradient: 0..2,
            update: Update::Decay,
        }]
    }

    #[test]
    fn a_flipped_sign_of_zero_changes_the_digest() {
        let parameters = layout("a", &[2]);
        assert_ne!(
            weights_digest(&parameters, &[0.0, 1.0]),
            weights_digest(&parameters, &[-0.0, 1.0])
        );
    }

    #[test]
    fn name_and_shape_are_part_of_it() {
        let flat = [1.0; 6];
        let digests = [("a", [2, 3]), ("b", [2, 3]), ("a", [3, 2])]
            .map(|(name, shape)| weights_digest(&layout(name, &shape), &flat));
        assert_ne!(digests[0], digests[1]);
        assert_ne!(digests[0], digests[2]);
    }
}
