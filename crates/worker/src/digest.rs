//! One digest over all parameters in memory, by which two runs are told equal; how it is made up is `checkpoint`'s.

use fratmae_checkpoint::{TensorHash, weights_root};
use fratmae_model::Parameter;
use rayon::prelude::*;

/// Numbers turned into bytes at a time.
const BLOCK: usize = 1 << 14;

/// The digest of the parameters in layout order, in hexadecimal: the same as a checkpoint of them has.
pub(crate) fn weights_digest(parameters: &[Parameter], flat: &[f32]) -> String {
    let digest = |parameter: &Parameter| {
        let mut hash = TensorHash::new(&parameter.name, &parameter.shape);
        let mut bytes = Vec::with_capacity(BLOCK * size_of::<f32>());
        for values in flat[parameter.offset..][..parameter.len()].chunks(BLOCK) {
            bytes.clear();
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            hash.update(&bytes);
        }
        *hash.finish().as_bytes()
    };
    let digests: Vec<_> = parameters.par_iter().map(digest).collect();
    weights_root(digests.iter().map(|digest| &digest[..]))
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
