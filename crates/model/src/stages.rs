//! One forward pass with every stage kept, so that other implementations can be compared with this one.
//! It trains nothing.

use burn::tensor::{Device, Tensor};

use crate::ModelConfig;
use crate::error::ModelError;
use crate::fratmae::FratMae;
use crate::group::MaskedGroup;
use crate::loss::{contrastive, normalise_patches};
use crate::masking::Modality;
use crate::patchify::PatchGrid;
use crate::slot::SlotBatch;
use crate::weights::{FileTensor, TensorFile};

/// What a forward pass is given.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StageInputs {
    /// Stacks, masks and, if the sentences go in as words, their token ids.
    pub batch: SlotBatch,
    /// The sentences' embeddings, `[B, embedding]` row-major and of length one, if they go in as such.
    pub text_embedding: Option<Vec<f32>>,
}

/// Runs the model forward and keeps every stage by name; the other modality is whole, whatever `keep_other` says.
///
/// # Shapes
///
/// `pet_tokens`, `ct_tokens` `[B, 1 + T, C]` after the encoders' norm, the class token first (T is the number of tokens
/// that the encoder saw; where a batch masks both modalities the shorter rows end in zeros); `prediction`
/// `[B, N, voxels]` of the masked modality; `mse` `[B]`; `mse_mean`; with the contrastive loss `pet_embedding` `[B, E]`
/// and, where sentences were given, `text_embedding` `[B, E]`; `contrastive`; `loss`
///
/// # Errors
///
/// As [`FratMae::forward`].
pub fn stages(
    model: &FratMae,
    config: &ModelConfig,
    inputs: &StageInputs,
    device: &Device,
) -> Result<TensorFile, ModelError> {
    let batch = &inputs.batch;
    let grid = model.grid();
    let has_words = !batch.tokens.is_empty();
    batch.check(grid, model.context_align.is_some() && has_words)?;
    let mut kept = Kept::new(batch.n_samples(), grid);
    for group in MaskedGroup::all(batch, grid) {
        kept.run(model, config.norm_pix, &group, device)?;
    }
    let mut file = kept.file();
    let mse_mean = kept.mse.iter().sum::<f32>() / kept.mse.len() as f32;
    let contrast = align(model, inputs, &kept, &mut file, device)?;
    for (name, value) in [
        ("mse_mean", mse_mean),
        ("contrastive", contrast),
        ("loss", mse_mean + contrast),
    ] {
        put(&mut file, name, Vec::new(), vec![value]);
    }
    Ok(file)
}

/// The embeddings and the contrastive loss; zero where there are no sentences.
fn align(
    model: &FratMae,
    inputs: &StageInputs,
    kept: &Kept,
    file: &mut TensorFile,
    device: &Device,
) -> Result<f32, ModelError> {
    let Some(align) = &model.context_align else {
        return Ok(0.0);
    };
    let n_samples = inputs.batch.n_samples();
    let classes: Vec<f32> = kept.pet.iter().flat_map(|rows| &rows[0]).copied().collect();
    let classes = Tensor::<1>::from_data(classes.as_slice(), device);
    let width = classes.dims()[0] / n_samples;
    let pet = align.embed_pet(classes.reshape([n_samples, width]));
    let width = pet.dims()[1];
    put(
        file,
        "pet_embedding",
        vec![n_samples, width],
        read(pet.clone())?,
    );
    let text = match &inputs.text_embedding {
        Some(text) => Tensor::<1>::from_data(text.as_slice(), device).reshape([n_samples, width]),
        None if inputs.batch.tokens.is_empty() => return Ok(0.0),
        None => align.embed_text(&inputs.batch.tokens, device)?,
    };
    let values = read(text.clone())?;
    let groups = groups(&values, width);
    put(file, "text_embedding", vec![n_samples, width], values);
    let loss = contrastive(pet, text, align.logit_scale.val(), &groups);
    loss.try_into_scalar().map_err(ModelError::device)
}

/// A number a row: rows of the same bits share it.
fn groups(values: &[f32], width: usize) -> Vec<u32> {
    let rows: Vec<&[f32]> = values.chunks_exact(width).collect();
    let first = |row| rows.iter().position(|other| other == row).unwrap_or(0) as u32;
    rows.iter().map(first).collect()
}

fn put(file: &mut TensorFile, name: &str, shape: Vec<usize>, values: Vec<f32>) {
    let tensor = FileTensor::float(shape, values);
    file.tensors.insert(name.to_owned(), tensor);
}

fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ModelError> {
    tensor.try_into_vec_as().map_err(ModelError::device)
}

/// What is kept of each sample, in the batch's order.
struct Kept {
    grid: PatchGrid,
    /// A row a token.
    pet: Vec<Vec<Vec<f32>>>,
    ct: Vec<Vec<Vec<f32>>>,
    prediction: Vec<Vec<f32>>,
    mse: Vec<f32>,
}

impl Kept {
    fn new(n_samples: usize, grid: PatchGrid) -> Self {
        Self {
            grid,
            pet: vec![Vec::new(); n_samples],
            ct: vec![Vec::new(); n_samples],
            prediction: vec![Vec::new(); n_samples],
            mse: vec![0.0; n_samples],
        }
    }

    /// Runs the samples that mask one modality.
    fn run(
        &mut self,
        model: &FratMae,
        norm_pix: bool,
        group: &MaskedGroup<'_>,
        device: &Device,
    ) -> Result<(), ModelError> {
        let visible = model.encode_visible(group, device);
        let whole = model.encode_other(group, device);
        let prediction = model.decoder(group.masked).forward_all(
            visible.clone(),
            whole.clone(),
            group.rows(None, device),
        );
        let prediction = read(prediction)?;
        let (visible, whole) = (by_sample(visible)?, by_sample(whole)?);
        let (pet, ct) = match group.masked {
            Modality::Pet => (visible, whole),
            Modality::Ct => (whole, visible),
        };
        let targets = group.all_patches(group.masked);
        let n_voxels = self.grid.n_stack_voxels();
        let patches = prediction.chunks_exact(n_voxels);
        let pairs = patches.zip(targets.chunks_exact(n_voxels));
        let tokens = pet.into_iter().zip(ct);
        let samples = group.samples.iter().zip(group.hidden());
        for (((&sample, hidden), (pet, ct)), (prediction, target)) in samples.zip(tokens).zip(pairs)
        {
            self.mse[sample] = self.error(prediction, target.to_vec(), hidden, norm_pix);
            (self.pet[sample], self.ct[sample]) = (pet, ct);
            self.prediction[sample] = prediction.to_vec();
        }
        Ok(())
    }

    /// The mean squared error over the hidden patches of one sample.
    fn error(
        &self,
        prediction: &[f32],
        mut target: Vec<f32>,
        hidden: &[u32],
        norm_pix: bool,
    ) -> f32 {
        let n_voxels = self.grid.n_patch_voxels();
        if norm_pix {
            normalise_patches(&mut target, n_voxels);
        }
        let of_patch = |&token: &u32| {
            let place = token as usize * n_voxels..(token as usize + 1) * n_voxels;
            let pairs = prediction[place.clone()].iter().zip(&target[place]);
            pairs
                .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
                .sum::<f64>()
        };
        let sum: f64 = hidden.iter().map(of_patch).sum();
        (sum / (hidden.len() * n_voxels) as f64) as f32
    }

    fn file(&self) -> TensorFile {
        let mut file = TensorFile {
            name: "stages".to_owned(),
            ..TensorFile::default()
        };
        let n_samples = self.mse.len();
        for (name, tokens) in [("pet_tokens", &self.pet), ("ct_tokens", &self.ct)] {
            let longest = tokens.iter().map(Vec::len).max().unwrap_or(0);
            let width = tokens.iter().flatten().map(Vec::len).max().unwrap_or(0);
            let mut values = Vec::with_capacity(n_samples * longest * width);
            for (at, rows) in tokens.iter().enumerate() {
                values.extend(rows.iter().flatten());
                values.resize((at + 1) * longest * width, 0.0);
            }
            put(&mut file, name, vec![n_samples, longest, width], values);
        }
        let patches = vec![n_samples, self.grid.n_tokens(), self.grid.n_patch_voxels()];
        put(&mut file, "prediction", patches, self.prediction.concat());
        put(&mut file, "mse", vec![n_samples], self.mse.clone());
        file
    }
}

/// A list of rows a sample.
fn by_sample(tokens: Tensor<3>) -> Result<Vec<Vec<Vec<f32>>>, ModelError> {
    let [_, n_tokens, width] = tokens.dims();
    let values = read(tokens)?;
    let rows = |sample: &[f32]| sample.chunks_exact(width).map(<[f32]>::to_vec).collect();
    Ok(values.chunks_exact(n_tokens * width).map(rows).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::tiny;

    fn run(config: &ModelConfig, n_samples: usize) -> (TensorFile, FratMae, SlotBatch) {
        let model = FratMae::new(config, 3, &tiny::device());
        let batch = tiny::batch(n_samples);
        let inputs = StageInputs {
            batch: batch.clone(),
            text_embedding: None,
        };
        let file = stages(&model, config, &inputs, &tiny::device()).unwrap();
        (file, model, batch)
    }

    fn scalar(file: &TensorFile, name: &str) -> f64 {
        f64::from(file.floats(name).unwrap().1[0])
    }

    #[test]
    fn the_loss_is_that_of_training() {
        for norm_pix in [false, true] {
            let mut config = tiny::config();
            config.norm_pix = norm_pix;
            let (file, model, batch) = run(&config, 4);
            let expected = tiny::loss_and_gradient(&model, &batch).0;
            let found = scalar(&file, "loss");
            assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
        }
    }

    #[test]
    fn every_stage_has_its_shape() {
        let (file, ..) = run(&tiny::config(), 3);
        for (name, shape) in [
            ("pet_tokens", vec![3, 13, 12]),
            ("ct_tokens", vec![3, 13, 12]),
            ("prediction", vec![3, 12, 32]),
            ("mse", vec![3]),
            ("mse_mean", vec![]),
            ("pet_embedding", vec![3, 8]),
            ("text_embedding", vec![3, 8]),
            ("contrastive", vec![]),
            ("loss", vec![]),
        ] {
            assert_eq!(file.floats(name).unwrap().0, shape, "{name}");
        }
        // Sample 0 masks PET: its encoder saw six tokens and the class token, the rest is padding.
        let pet = file.floats("pet_tokens").unwrap().1;
        assert!(pet[7 * 12..13 * 12].iter().all(|x| *x == 0.0));
        assert!(pet[13 * 12..].iter().any(|x| *x != 0.0));
    }

    #[test]
    fn without_sentences_the_loss_is_the_reconstruction() {
        let config = tiny::config();
        let model = FratMae::new(&config, 3, &tiny::device());
        let mut inputs = StageInputs {
            batch: tiny::batch(2),
            text_embedding: None,
        };
        inputs.batch.tokens.clear();
        let file = stages(&model, &config, &inputs, &tiny::device()).unwrap();
        assert_eq!(scalar(&file, "loss"), scalar(&file, "mse_mean"));
        assert!(file.tensors.contains_key("pet_embedding"));
    }
}
