//! A batch as a file of tensors, which Python writes.
//!
//! | tensor | shape |
//! |---|---|
//! | `pet`, `ct` | f32 `[B, D, H, W]`, windowed to `[0, 1]` |
//! | `masked_modality` | i64 `[B]`: 0 PET, 1 CT |
//! | `keep` | i64 `[B, K]`: visible tokens of the masked modality, in input order |
//! | `keep_other` (optional) | i64 `[B, K2]`: visible tokens of the other modality, which is masked too then |
//! | `text_embedding` (optional) | f32 `[B, E]`, of length one |
//! | `tokens` (optional) | i64 `[B, L]`: CLIP's ids; what follows the first largest id is padding |

use anyhow::{Result, ensure};
use fratmae_model::{Masks, Modality, ModelConfig, SlotBatch, StageInputs, TensorFile};

/// Reads the inputs by their names.
pub(crate) fn read(file: &TensorFile, config: &ModelConfig) -> Result<StageInputs> {
    let has = |name: &str| file.tensors.contains_key(name);
    let (_, modality) = file.wholes("masked_modality")?;
    let n_samples = modality.len();
    let modality = modality.iter().map(|&m| match m {
        0 => Modality::Pet,
        _ => Modality::Ct,
    });
    let [d, h, w] = config.stack;
    let optional = |name| match has(name) {
        true => rows(file, name, n_samples),
        false => Ok(Vec::new()),
    };
    let batch = SlotBatch {
        pet: floats(file, "pet", &[n_samples, d, h, w])?,
        ct: floats(file, "ct", &[n_samples, d, h, w])?,
        masks: Masks {
            modality: modality.collect(),
            keep: rows(file, "keep", n_samples)?,
            keep_other: optional("keep_other")?,
        },
        tokens: optional("tokens")?.into_iter().map(sentence).collect(),
    };
    let text_embedding = match has("text_embedding") {
        true => Some(floats(
            file,
            "text_embedding",
            &[n_samples, config.embedding],
        )?),
        false => None,
    };
    Ok(StageInputs {
        batch,
        text_embedding,
    })
}

fn floats(file: &TensorFile, name: &str, expected: &[usize]) -> Result<Vec<f32>> {
    let (shape, values) = file.floats(name)?;
    ensure!(shape == expected, "{name} is {shape:?}, not {expected:?}");
    Ok(values.to_vec())
}

/// Whole numbers, a list a sample.
fn rows(file: &TensorFile, name: &str, n_samples: usize) -> Result<Vec<Vec<u32>>> {
    let (shape, values) = file.wholes(name)?;
    ensure!(
        shape.len() == 2 && shape[0] == n_samples && shape[1] > 0,
        "{name} is {shape:?}, not [{n_samples}, ..]"
    );
    let ids: Vec<u32> = values
        .iter()
        .map(|&id| u32::try_from(id))
        .collect::<Result<_, _>>()?;
    Ok(ids.chunks_exact(shape[1]).map(<[u32]>::to_vec).collect())
}

/// Cuts what pads a sentence after its end mark, the first of its largest ids.
fn sentence(mut ids: Vec<u32>) -> Vec<u32> {
    let largest = ids.iter().copied().max();
    let end = ids.iter().position(|id| Some(*id) == largest);
    ids.truncate(end.map_or(0, |end| end + 1));
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pads_a_sentence_is_cut() {
        let padded = vec![49406, 320, 1126, 49407, 49407, 0];
        assert_eq!(sentence(padded), [49406, 320, 1126, 49407]);
    }
}
