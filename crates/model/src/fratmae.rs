//! FratMAE (arXiv 2503.02824v1), top to bottom: encode the visible tokens of both modalities, decode the masked one from
//! the other, compare, align PET with text.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fratmae_config::Precision;

use crate::ModelConfig;
use crate::context_align::ContextAlign;
use crate::decoder::{Decoder, DecoderRows};
use crate::encoder::Encoder;
use crate::error::ModelError;
use crate::flat::{HostVector, Parameter, layout};
use crate::group::MaskedGroup;
use crate::init::first_values;
use crate::kernels::threads;
use crate::loss::reconstruction_of;
use crate::masking::Modality;
use crate::patchify::PatchGrid;
use crate::precision::Multiplies;
use crate::slot::{GroupForward, ModalityStats, Reconstruction, SlotBatch, SlotForward};

/// The cross-fraternal twin masked autoencoder.
#[derive(Module, Debug)]
pub struct FratMae {
    pub(crate) pet_encoder: Encoder,
    /// Nothing where PET's serves both.
    pub(crate) ct_encoder: Option<Encoder>,
    pub(crate) pet_decoder: Decoder,
    pub(crate) ct_decoder: Decoder,
    pub(crate) context_align: Option<ContextAlign>,
    #[module(skip)]
    grid: PatchGrid,
    #[module(skip)]
    pub(crate) layout: Arc<Vec<Parameter>>,
    /// Where the parameters came from; nothing while they are zeros or gone.
    #[module(skip)]
    pub(crate) loaded: Option<HostVector>,
    #[module(skip)]
    pub(crate) device: Device,
    norm_pix: bool,
    embedding: usize,
}

impl FratMae {
    /// Runs the model on a slot (paper, sections 2.1 and 2.2): rebuilds what is masked of one modality from the other, and
    /// embeds PET and sentence in one space.
    ///
    /// The samples that mask PET run together, and so do those that mask CT: within a group every tensor has one shape.
    /// The device may still be computing when this returns; what reads the result waits for it.
    ///
    /// # Errors
    ///
    /// Any [`ModelError`] about the slot's lengths, masks and sentences; [`ModelError::DeviceFailed`] when the device
    /// does not give a sentence's embedding back.
    pub fn forward(&self, batch: &SlotBatch, device: &Device) -> Result<SlotForward, ModelError> {
        batch.check(self.grid, self.context_align.is_some())?;
        threads::inside(|| {
            let groups = MaskedGroup::all(batch, self.grid);
            let groups = groups.iter().map(|group| self.reconstruct(group, device));
            let groups: Vec<GroupForward> = groups.collect();
            let (pet_embedding, text_embedding) = self.align(&groups, batch, device)?;
            Ok(SlotForward::new(
                groups,
                pet_embedding,
                text_embedding,
                device,
            ))
        })
    }

    /// Cross-modal reconstruction of the samples that mask one modality (paper, section 2.1), or both.
    fn reconstruct(&self, group: &MaskedGroup<'_>, device: &Device) -> GroupForward {
        let mirror = group.mirror();
        let visible = self.encode_visible(group, device);
        let other = match &mirror {
            None => self.encode_other(group, device),
            Some(mirror) => self.encode_visible(mirror, device),
        };
        let pet_class = class_token(match group.masked {
            Modality::Pet => &visible,
            Modality::Ct => &other,
        });
        let rows = group.rows(mirror.as_ref(), device);
        let first = self.decode(group, visible.clone(), other.clone(), rows);
        let mut loss = first.loss.clone();
        let mut reconstructions = vec![first];
        if let Some(mirror) = &mirror {
            let rows = mirror.rows(Some(group), device);
            let second = self.decode(mirror, other, visible, rows);
            // A sample's error is the mean over its two modalities.
            loss = (loss + second.loss.clone()).mul_scalar(0.5);
            reconstructions.push(second);
        }
        GroupForward {
            samples: group.samples.clone(),
            loss,
            pet_class,
            reconstructions,
        }
    }

    /// Encodes the visible patches of the masked modality.
    ///
    /// # Shapes
    ///
    /// -> `[samples, 1 + kept, width]`
    pub(crate) fn encode_visible(&self, group: &MaskedGroup<'_>, device: &Device) -> Tensor<3> {
        let (patches, tokens) = group.visible(device);
        self.encoder(group.masked).forward_visible(patches, tokens)
    }

    /// Encodes all patches of the other modality.
    ///
    /// # Shapes
    ///
    /// -> `[samples, 1 + tokens, width]`
    pub(crate) fn encode_other(&self, group: &MaskedGroup<'_>, device: &Device) -> Tensor<3> {
        let encoder = self.encoder(group.masked.other());
        encoder.forward_whole(group.other(device))
    }

    /// Predicts the hidden patches of the masked modality from the other one, and compares (L_MSE).
    fn decode(
        &self,
        group: &MaskedGroup<'_>,
        visible: Tensor<3>,
        memory: Tensor<3>,
        rows: DecoderRows,
    ) -> Reconstruction {
        let n_samples = group.samples.len();
        let prediction = self.decoder(group.masked).forward(visible, memory, rows);
        let target = group.target(self.norm_pix);
        let targets = ModalityStats::new(n_samples, &target);
        Reconstruction {
            masked: group.masked,
            loss: reconstruction_of(prediction, target, n_samples),
            targets,
        }
    }

    /// PET's class tokens and the sentences in one space, in the slot's order (paper, section 2.2); the loss between them
    /// is of the global batch ([`crate::contrast`]).
    fn align(
        &self,
        groups: &[GroupForward],
        batch: &SlotBatch,
        device: &Device,
    ) -> Result<(Tensor<2>, Tensor<2>), ModelError> {
        let Some(align) = &self.context_align else {
            let nothing = Tensor::zeros([batch.n_samples(), self.embedding], device);
            return Ok((nothing.clone(), nothing));
        };
        let classes = groups.iter().map(|group| group.pet_class.clone()).collect();
        let mut row_of_sample = vec![0_i64; batch.n_samples()];
        let grouped = groups.iter().flat_map(|group| &group.samples);
        for (row, &sample) in grouped.enumerate() {
            row_of_sample[sample] = row as i64;
        }
        let rows = Tensor::from_data(row_of_sample.as_slice(), device);
        let classes = Tensor::cat(classes, 0).select(0, rows);
        let text = align.embed_text(&batch.tokens, device)?;
        Ok((align.embed_pet(classes), text))
    }

    /// The encoder of one modality.
    pub(crate) fn encoder(&self, modality: Modality) -> &Encoder {
        match (modality, &self.ct_encoder) {
            (Modality::Ct, Some(own)) => own,
            _ => &self.pet_encoder,
        }
    }

    /// The decoder that rebuilds one modality.
    pub(crate) fn decoder(&self, modality: Modality) -> &Decoder {
        match modality {
            Modality::Pet => &self.pet_decoder,
            Modality::Ct => &self.ct_decoder,
        }
    }
}

/// # Shapes
///
/// tokens `[samples, 1 + tokens, width]` -> `[samples, width]`
fn class_token(tokens: &Tensor<3>) -> Tensor<2> {
    let [n_samples, _, width] = tokens.dims();
    let class = tokens.clone().narrow(1, 0, 1);
    class.reshape([n_samples, width])
}

/// Construction, settings and single values.
impl FratMae {
    /// Makes a model with its first values, a pure function of config and seed.
    ///
    /// The config must have passed its own check: patches divide the stack, widths fit heads and positions.
    pub fn new(config: &ModelConfig, seed: u64, device: &Device) -> Self {
        let mut model = Self::zeros(config, device);
        model.set(Self::first_values(&model.layout, config, seed));
        model
    }

    /// The first values of all parameters of a layout, in its order: a pure function of config and seed.
    pub fn first_values(layout: &[Parameter], config: &ModelConfig, seed: u64) -> Vec<f32> {
        first_values(layout, config, seed)
    }

    /// Makes a model of the values of one flat vector.
    ///
    /// # Errors
    ///
    /// [`ModelError::FlatLength`] when the vector belongs to another config.
    pub fn from_flat(
        config: &ModelConfig,
        flat: &[f32],
        device: &Device,
    ) -> Result<Self, ModelError> {
        Self::zeros(config, device).with_flat(flat)
    }

    /// The layout of the flat vector of a config's models, whatever their values.
    pub fn layout(config: &ModelConfig) -> Vec<Parameter> {
        Self::zeros(config, &Device::flex()).parameters()
    }

    /// Makes a model whose parameters are zeros, for whoever gives it others before its first use.
    pub fn zeros(config: &ModelConfig, device: &Device) -> Self {
        let mut model = Self {
            pet_encoder: Encoder::new(config, device),
            ct_encoder: (!config.shared_encoders).then(|| Encoder::new(config, device)),
            pet_decoder: Decoder::new(config, device),
            ct_decoder: Decoder::new(config, device),
            context_align: config
                .contrastive
                .then(|| ContextAlign::new(config, device)),
            grid: PatchGrid::new(config),
            layout: Arc::default(),
            loaded: None,
            device: device.clone(),
            norm_pix: config.norm_pix,
            embedding: config.embedding,
        };
        model.layout = Arc::new(layout(&model, config.text.trainable));
        model
    }

    /// Says whether blocks keep their inputs alone and compute the rest again in the backward pass; no bit depends on it.
    ///
    /// On a GPU it changes nothing yet: there the blocks are burn's own operations.
    pub fn with_activation_checkpointing(mut self, recompute: bool) -> Self {
        for encoder in [Some(&mut self.pet_encoder), self.ct_encoder.as_mut()]
            .into_iter()
            .flatten()
        {
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

    /// Says in which numbers matrix products are computed; all else, parameters and their gradients first, stays f32.
    ///
    /// The CPU's own kernels know f32 alone, so bf16 there is burn's, and slow.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.compute_in(precision);
        self.context_align.iter_mut().for_each(ContextAlign::forget);
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
}

#[cfg(test)]
mod tests;
