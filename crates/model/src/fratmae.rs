//! FratMAE (arXiv 2503.02824v1), top to bottom: mask one twin, encode both, let it ask the other, rebuild, align.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::ModelConfig;
use crate::context_align::ContextAlign;
use crate::decoder::{Decoder, DecoderRows};
use crate::encoder::Encoder;
use crate::error::ModelError;
use crate::flat::{Parameter, layout};
use crate::init::first_values;
use crate::kernels::threads;
use crate::loss::{normalise_patches, reconstruction_of};
use crate::masking::Modality;
use crate::patchify::PatchGrid;
use crate::slot::{ModalityFigures, SlotBatch, SlotFigures, SlotForward};

/// The cross-fraternal twin masked autoencoder.
#[derive(Module, Debug)]
pub struct FratMae {
    pub(crate) pet_encoder: Encoder,
    pub(crate) ct_encoder: Encoder,
    pub(crate) pet_decoder: Decoder,
    pub(crate) ct_decoder: Decoder,
    pub(crate) context_align: Option<ContextAlign>,
    #[module(skip)]
    grid: PatchGrid,
    #[module(skip)]
    pub(crate) layout: Arc<Vec<Parameter>>,
    #[module(skip)]
    pub(crate) device: Device,
    norm_pix: bool,
    embedding: usize,
}

impl FratMae {
    /// Makes a model with its first values, a pure function of config and seed.
    ///
    /// The config must have passed its own check: patches divide the stack, widths fit heads and positions.
    pub fn new(config: &ModelConfig, seed: u64, device: &Device) -> Self {
        let mut model = Self::blank(config, device);
        model.set(Self::first_values(&model.layout, config, seed));
        model
    }

    /// The first values of all parameters of a layout, in its order: a pure function of config and seed.
    pub fn first_values(layout: &[Parameter], config: &ModelConfig, seed: u64) -> Vec<f32> {
        first_values(layout, config, seed)
    }

    /// Makes a model whose parameters are zeros, for whoever gives it others before its first use.
    pub fn blank(config: &ModelConfig, device: &Device) -> Self {
        let mut model = Self {
            pet_encoder: Encoder::new(config, device),
            ct_encoder: Encoder::new(config, device),
            pet_decoder: Decoder::new(config, device),
            ct_decoder: Decoder::new(config, device),
            context_align: config
                .contrastive
                .then(|| ContextAlign::new(config, device)),
            grid: PatchGrid::new(config),
            layout: Arc::default(),
            device: device.clone(),
            norm_pix: config.norm_pix,
            embedding: config.embedding,
        };
        model.layout = Arc::new(layout(&model, config.text.trainable));
        model
    }

    /// Says whether blocks keep their inputs alone and compute the rest again on the way back; no bit depends on it.
    ///
    /// On a GPU it changes nothing yet: there the blocks are burn's own operations.
    pub fn recomputing(mut self, recompute: bool) -> Self {
        for encoder in [&mut self.pet_encoder, &mut self.ct_encoder] {
            for block in &mut encoder.blocks {
                block.recompute = recompute;
            }
        }
        for decoder in [&mut self.pet_decoder, &mut self.ct_decoder] {
            for block in &mut decoder.blocks {
                block.recompute = recompute;
            }
        }
        self
    }

    /// The patches of a stack.
    pub fn grid(&self) -> PatchGrid {
        self.grid
    }

    /// The log of the inverse temperature as a number, if there is a contrastive loss.
    ///
    /// # Errors
    ///
    /// [`ModelError::DeviceFailed`] when the device does not give it back.
    pub fn logit_scale_value(&self) -> Result<Option<f32>, ModelError> {
        let Some(align) = &self.context_align else {
            return Ok(None);
        };
        let value = align.logit_scale.val().try_into_scalar();
        value.map(Some).map_err(ModelError::device)
    }

    /// The log of the inverse temperature, `[1]`; zero without the contrastive loss.
    pub fn logit_scale(&self) -> Tensor<1> {
        match &self.context_align {
            Some(align) => align.logit_scale.val(),
            None => Tensor::zeros([1], &self.pet_encoder.cls_token.device()),
        }
    }

    /// Runs the model on a slot (paper, sections 2.1 and 2.2).
    ///
    /// The samples that mask PET run together, and so do those that mask CT: within a group every tensor has one shape.
    ///
    /// # Errors
    ///
    /// Any [`ModelError`] about the slot's lengths, masks and sentences; [`ModelError::DeviceFailed`] when the device
    /// does not give the loss back.
    pub fn forward(&self, batch: &SlotBatch, device: &Device) -> Result<SlotForward, ModelError> {
        threads::inside(|| self.forward_here(batch, device))
    }

    fn forward_here(&self, batch: &SlotBatch, device: &Device) -> Result<SlotForward, ModelError> {
        batch.check(self.grid, self.context_align.is_some())?;
        let mut figures = SlotFigures::default();
        let mut twins = Vec::with_capacity(2);
        for masked in [Modality::Pet, Modality::Ct] {
            let group = Group::new(batch, masked, self.grid);
            if !group.samples.is_empty() {
                let twin = self.forward_group(&group, device)?;
                match masked {
                    Modality::Pet => figures.pet = twin.figures,
                    Modality::Ct => figures.ct = twin.figures,
                }
                twins.push(twin);
            }
        }
        let (pet_embedding, text_embedding) = self.align(&twins, batch, device);
        let losses = twins.into_iter().map(|twin| twin.loss);
        Ok(SlotForward {
            reconstruction: losses.fold(Tensor::zeros([1], device), |sum, loss| sum + loss),
            pet_embedding,
            text_embedding,
            figures,
        })
    }

    /// Cross-modal reconstruction of the samples that mask one modality (paper, section 2.1).
    fn forward_group(&self, group: &Group<'_>, device: &Device) -> Result<Twin, ModelError> {
        let (masked_encoder, whole_encoder, decoder) = match group.masked {
            Modality::Pet => (&self.pet_encoder, &self.ct_encoder, &self.pet_decoder),
            Modality::Ct => (&self.ct_encoder, &self.pet_encoder, &self.ct_decoder),
        };
        let visible = masked_encoder.forward_visible(
            group.visible_patches(device),
            Tensor::from_data(group.kept().as_slice(), device),
        );
        let whole = whole_encoder.forward_whole(group.whole_patches(device));
        let pet_tokens = match group.masked {
            Modality::Pet => &visible,
            Modality::Ct => &whole,
        };
        let [n_samples, _, width] = pet_tokens.dims();
        let pet_class = pet_tokens.clone().narrow(1, 0, 1);
        let pet_class = pet_class.reshape([n_samples, width]);

        let prediction = decoder.forward(visible, whole, group.rows(device));
        let target = group.target(self.norm_pix);
        let mut figures = ModalityFigures::new(n_samples, &target);
        let loss = reconstruction_of(prediction, target, n_samples);
        let error = loss.clone().try_into_scalar::<f32>();
        figures.squared_error = f64::from(error.map_err(ModelError::device)?);
        Ok(Twin {
            samples: group.samples.clone(),
            loss,
            pet_class,
            figures,
        })
    }

    /// PET's class tokens and the sentences in one space, in the slot's order (paper, section 2.2).
    fn align(&self, twins: &[Twin], batch: &SlotBatch, device: &Device) -> (Tensor<2>, Tensor<2>) {
        let Some(align) = &self.context_align else {
            let nothing = Tensor::zeros([batch.n_samples(), self.embedding], device);
            return (nothing.clone(), nothing);
        };
        let classes = twins.iter().map(|twin| twin.pet_class.clone()).collect();
        let mut row_of_sample = vec![0_i64; batch.n_samples()];
        let grouped = twins.iter().flat_map(|twin| &twin.samples);
        for (row, &sample) in grouped.enumerate() {
            row_of_sample[sample] = row as i64;
        }
        let rows = Tensor::from_data(row_of_sample.as_slice(), device);
        let classes = Tensor::cat(classes, 0).select(0, rows);
        (
            align.embed_pet(classes),
            align.embed_text(&batch.tokens, device),
        )
    }
}

/// What one group of samples gives.
struct Twin {
    samples: Vec<usize>,
    loss: Tensor<1>,
    pet_class: Tensor<2>,
    figures: ModalityFigures,
}

/// The samples of a slot that mask one modality, and what is cut from their stacks on the host.
struct Group<'a> {
    batch: &'a SlotBatch,
    masked: Modality,
    samples: Vec<usize>,
    hidden: Vec<Vec<u32>>,
    grid: PatchGrid,
}

impl<'a> Group<'a> {
    fn new(batch: &'a SlotBatch, masked: Modality, grid: PatchGrid) -> Self {
        let samples = batch.masks.samples_of(masked);
        let hidden = |&sample: &usize| batch.masks.hidden(sample, grid.n_tokens());
        Self {
            hidden: samples.iter().map(hidden).collect(),
            batch,
            masked,
            samples,
            grid,
        }
    }

    fn keep(&self) -> Vec<&'a [u32]> {
        let keep = &self.batch.masks.keep;
        let of_sample = |&sample: &usize| keep[sample].as_slice();
        self.samples.iter().map(of_sample).collect()
    }

    /// The kept tokens of all samples, one after another.
    fn kept(&self) -> Vec<i64> {
        let keep = self.keep();
        keep.into_iter().flatten().map(|&t| i64::from(t)).collect()
    }

    fn rows(&self, device: &Device) -> DecoderRows {
        DecoderRows::new(&self.keep(), &self.hidden, self.grid.n_tokens(), device)
    }

    fn visible_patches(&self, device: &Device) -> Tensor<3> {
        self.tensor(self.cut(self.masked, &self.keep()), device)
    }

    fn whole_patches(&self, device: &Device) -> Tensor<3> {
        let whole = match self.masked {
            Modality::Pet => Modality::Ct,
            Modality::Ct => Modality::Pet,
        };
        let all: Vec<u32> = (0..self.grid.n_tokens() as u32).collect();
        let tokens = vec![all.as_slice(); self.samples.len()];
        self.tensor(self.cut(whole, &tokens), device)
    }

    /// The hidden patches, as the loss compares with them.
    fn target(&self, norm_pix: bool) -> Vec<f32> {
        let hidden: Vec<&[u32]> = self.hidden.iter().map(Vec::as_slice).collect();
        let mut patches = self.cut(self.masked, &hidden);
        if norm_pix {
            normalise_patches(&mut patches, self.grid.n_patch_voxels());
        }
        patches
    }

    fn cut(&self, modality: Modality, tokens: &[&[u32]]) -> Vec<f32> {
        let of_sample = |(&sample, tokens): (&usize, &&[u32])| {
            let patch = move |&token: &u32| (sample, token);
            tokens.iter().map(patch).collect::<Vec<_>>()
        };
        let patches = self.samples.iter().zip(tokens).flat_map(of_sample);
        let patches: Vec<_> = patches.collect();
        self.grid.gather(self.batch.stacks(modality), &patches)
    }

    /// `[samples, tokens of each, voxels]`
    fn tensor(&self, patches: Vec<f32>, device: &Device) -> Tensor<3> {
        let (n_samples, n_voxels) = (self.samples.len(), self.grid.n_patch_voxels());
        let n_tokens = patches.len() / (n_samples * n_voxels);
        let data = burn::tensor::TensorData::new(patches, [n_samples, n_tokens, n_voxels]);
        Tensor::from_data(data, device)
    }
}

#[cfg(test)]
mod tests;
