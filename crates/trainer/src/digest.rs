//! The digests that tell two runs, and two copies of a state, equal or not.

use checkpoint::{State, TensorHash, TensorSpec, weights_root};
use model::Parameter;
use rayon::prelude::*;

/// Numbers turned into bytes at a time.
const BLOCK: usize = 1 << 14;

/// Floats of a state hashed by one thread at a time.
const PIECE: usize = 1 << 20;

/// The parameters as a checkpoint names them.
pub fn tensor_specs(parameters: &[Parameter]) -> Vec<TensorSpec> {
    let spec = |parameter: &Parameter| TensorSpec {
        name: parameter.name.clone(),
        shape: parameter.shape.clone(),
        offset: parameter.offset,
    };
    parameters.iter().map(spec).collect()
}

/// The digest of the parameters in layout order, in hexadecimal: the same as a checkpoint of them has.
pub fn weights_digest(parameters: &[Parameter], flat: &[f32]) -> String {
    let digest = |parameter: &Parameter| {
        let mut hash = TensorHash::new(&parameter.name, &parameter.shape);
        let values = &flat[parameter.offset..][..parameter.len()];
        in_blocks(values, |bytes| hash.update(bytes));
        *hash.finish().as_bytes()
    };
    let digests: Vec<_> = parameters.par_iter().map(digest).collect();
    weights_root(digests.iter().map(|digest| &digest[..]))
}

/// What tells two states apart: BLAKE3 over the digests of pieces, so that all threads take part.
#[must_use]
pub fn state_digest(state: &State) -> blake3::Hash {
    let vectors = [&state.parameters, &state.first_moment, &state.second_moment];
    let mut whole = blake3::Hasher::new();
    whole.update(&state.step.get().to_le_bytes());
    for vector in vectors {
        let digests: Vec<_> = vector.par_chunks(PIECE).map(piece_digest).collect();
        digests.iter().for_each(|digest| {
            whole.update(digest.as_bytes());
        });
    }
    whole.finalize()
}

fn piece_digest(piece: &[f32]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    in_blocks(piece, |bytes| {
        hasher.update(bytes);
    });
    hasher.finalize()
}

/// Hands numbers on as little-endian bytes, block by block.
fn in_blocks(numbers: &[f32], mut take: impl FnMut(&[u8])) {
    let mut bytes = Vec::with_capacity(BLOCK * size_of::<f32>());
    for block in numbers.chunks(BLOCK) {
        bytes.clear();
        bytes.extend(block.iter().flat_map(|number| number.to_le_bytes()));
        take(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::Step;
    use model::Update;

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

    #[test]
    fn step_and_every_bit_of_every_vector_are_in_a_states_digest() {
        let state = |step, values: &[f32]| State {
            step: Step::new(step),
            parameters: values.to_vec(),
            first_moment: values.to_vec(),
            second_moment: values.to_vec(),
        };
        let one = state_digest(&state(1, &[0.0, 1.0]));
        assert_ne!(one, state_digest(&state(2, &[0.0, 1.0])));
        assert_ne!(one, state_digest(&state(1, &[-0.0, 1.0])));
        let mut moment = state(1, &[0.0, 1.0]);
        moment.second_moment[1] = 1.5;
        assert_ne!(one, state_digest(&moment));
    }
}
