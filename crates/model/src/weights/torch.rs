//! Torch's layout of each parameter and ours, there and back. It owns the only transposition between the two.

use crate::ModelConfig;
use crate::flat::Parameter;

/// How torch stores a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As it is here.
    Same,
    /// A number without axes.
    Scalar,
    /// `[out, in]` instead of `[in, out]`.
    Linear,
    /// `[width, 1, d, h, w]` instead of `[voxels, width]`.
    Kernel,
}

fn form(parameter: &Parameter) -> Form {
    let name = parameter.name.as_str();
    match parameter.shape.len() {
        _ if name == "logit_scale" => Form::Scalar,
        _ if name.ends_with("patch_embed.proj.weight") => Form::Kernel,
        // A table has a row a word or a place in both.
        2 if !name.ends_with("_embedding.weight") => Form::Linear,
        _ => Form::Same,
    }
}

/// The shape in which torch stores a parameter.
pub fn torch_shape(parameter: &Parameter, config: &ModelConfig) -> Vec<usize> {
    match (form(parameter), parameter.shape.as_slice()) {
        (Form::Scalar, _) => Vec::new(),
        (Form::Linear, &[n_in, n_out]) => vec![n_out, n_in],
        (Form::Kernel, &[_, width]) => {
            let [d, h, w] = config.patch;
            vec![width, 1, d, h, w]
        }
        (_, shape) => shape.to_vec(),
    }
}

/// The numbers of a parameter in torch's order.
pub fn to_torch(parameter: &Parameter, values: &[f32]) -> Vec<f32> {
    match (form(parameter), parameter.shape.as_slice()) {
        (Form::Linear | Form::Kernel, &[rows, columns]) => transposed(values, rows, columns),
        _ => values.to_vec(),
    }
}

/// The numbers of a parameter in our order, from torch's.
pub fn from_torch(parameter: &Parameter, values: &[f32]) -> Vec<f32> {
    match (form(parameter), parameter.shape.as_slice()) {
        (Form::Linear | Form::Kernel, &[rows, columns]) => transposed(values, columns, rows),
        _ => values.to_vec(),
    }
}

/// `[rows, columns]` -> `[columns, rows]`
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let column = |column: usize| values[column..].iter().step_by(columns).take(rows);
    (0..columns).flat_map(column).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FratMae;
    use crate::tests::tiny;

    #[test]
    fn a_matrix_is_transposed_there_and_back() {
        assert_eq!(
            transposed(&[1., 2., 3., 4., 5., 6.], 2, 3),
            [1., 4., 2., 5., 3., 6.]
        );
        let model = FratMae::new(&tiny::config(), 1, &tiny::device());
        let flat = model.to_flat();
        for parameter in model.parameters() {
            let own = &flat[parameter.offset..][..parameter.len()];
            let there = to_torch(&parameter, own);
            assert_eq!(from_torch(&parameter, &there), own, "{}", parameter.name);
            let n: usize = torch_shape(&parameter, &tiny::config()).iter().product();
            assert_eq!(n, own.len(), "{}", parameter.name);
        }
    }

    #[test]
    fn shapes_are_torchs() {
        let model = FratMae::new(&tiny::config(), 1, &tiny::device());
        let layout = model.parameters();
        let shape = |name: &str| {
            let parameter = layout.iter().find(|p| p.name == name).unwrap();
            torch_shape(parameter, &tiny::config())
        };
        assert_eq!(
            shape("pet_encoder.patch_embed.proj.weight"),
            [12, 1, 2, 4, 4]
        );
        assert_eq!(shape("ct_encoder.blocks.0.attn.qkv.weight"), [36, 12]);
        assert_eq!(
            shape("text.text_model.embeddings.token_embedding.weight"),
            [49408, 8]
        );
        assert_eq!(shape("pet_decoder.pos_embed"), [1, 13, 18]);
        assert_eq!(shape("logit_scale"), [0; 0]);
    }
}
