//! ContextAlign's two heads: PET's class token and the sentence in one space (paper, section 2.2). The loss is elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::ModelConfig;
use crate::error::ModelError;
use crate::layer::{Linear, zeros};
use crate::text::TextEncoder;

/// The parameters that only the contrastive loss needs.
#[derive(Module, Debug)]
pub(crate) struct ContextAlign {
    pub(crate) pet_projection: Linear,
    pub(crate) logit_scale: Param<Tensor<1>>,
    pub(crate) text: TextEncoder,
    #[module(skip)]
    known: Option<Known>,
}

/// Embeddings of sentences that were read before, of length one, by their token ids; clones of a model share it.
///
/// A frozen encoder encodes each sentence once, and alone, so that its bits do not depend on the rest of the batch.
type Known = Arc<Mutex<BTreeMap<Vec<u32>, Vec<f32>>>>;

impl ContextAlign {
    pub(crate) fn new(config: &ModelConfig, device: &Device) -> Self {
        Self {
            pet_projection: Linear::without_bias(config.encoder.width, config.embedding, device),
            logit_scale: zeros([1], device),
            text: TextEncoder::new(config, device),
            known: (!config.text.trainable).then(Known::default),
        }
    }

    /// Clears the stored embeddings, since the text encoder's weights have changed.
    pub(crate) fn forget(&mut self) {
        self.known = self.known.as_ref().map(|_| Known::default());
    }

    /// # Shapes
    ///
    /// class tokens after the encoder's norm `[batch, width]` -> `[batch, embedding]`, of length one
    pub(crate) fn embed_pet(&self, class_tokens: Tensor<2>) -> Tensor<2> {
        normalise(self.pet_projection.forward(class_tokens))
    }

    /// Encodes each distinct sentence once: in the batch, or in the model's life where the encoder is frozen.
    ///
    /// # Shapes
    ///
    /// one list of token ids a sample -> `[batch, embedding]`, of length one
    ///
    /// # Errors
    ///
    /// [`ModelError::DeviceFailed`] when the device does not give an embedding back.
    pub(crate) fn embed_text(
        &self,
        sentences: &[Vec<u32>],
        device: &Device,
    ) -> Result<Tensor<2>, ModelError> {
        match &self.known {
            Some(known) => self.recall(known, sentences, device),
            None => Ok(self.read_together(sentences, device)),
        }
    }

    fn recall(
        &self,
        known: &Known,
        sentences: &[Vec<u32>],
        device: &Device,
    ) -> Result<Tensor<2>, ModelError> {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows = Vec::new();
        for sentence in sentences {
            if !known.contains_key(sentence) {
                let embedded = normalise(self.text.forward(&[sentence], device));
                let embedded = embedded.try_into_vec_as().map_err(ModelError::device)?;
                known.insert(sentence.clone(), embedded);
            }
            rows.extend_from_slice(&known[sentence]);
        }
        let width = rows.len() / sentences.len().max(1);
        Ok(Tensor::<1>::from_data(rows.as_slice(), device).reshape([sentences.len(), width]))
    }

    fn read_together(&self, sentences: &[Vec<u32>], device: &Device) -> Tensor<2> {
        let mut distinct: Vec<&[u32]> = Vec::new();
        let mut rows = Vec::with_capacity(sentences.len());
        for sentence in sentences {
            let known = distinct.iter().position(|known| known == sentence);
            rows.push(known.unwrap_or(distinct.len()) as i64);
            if known.is_none() {
                distinct.push(sentence);
            }
        }
        let embedded = normalise(self.text.forward(&distinct, device));
        embedded.select(0, Tensor::from_data(rows.as_slice(), device))
    }
}

/// Scales each row to length one. The constant keeps a row of zeros, and its gradient, finite.
fn normalise(rows: Tensor<2>) -> Tensor<2> {
    let length = rows.clone().square().sum_dim(1).add_scalar(1e-12).sqrt();
    rows / length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_scaled_to_length_one_and_zeros_stay_finite() {
        let rows = Tensor::<2>::from_data([[3.0_f32, 4.0], [0.0, 0.0]], &Device::flex());
        let scaled: Vec<f32> = normalise(rows).try_into_vec_as().unwrap();
        assert!((scaled[0] - 0.6).abs() < 1e-6 && (scaled[1] - 0.8).abs() < 1e-6);
        assert_eq!(scaled[2..], [0.0, 0.0]);
    }
}
