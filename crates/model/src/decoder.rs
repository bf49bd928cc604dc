//! The cross-attention decoder that rebuilds one modality. It owns mask tokens and the head; the loss is elsewhere.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};

use crate::ModelConfig;
use crate::block::DecoderBlock;
use crate::layer::{LayerNorm, Linear, VIT_EPSILON, zeros};
use crate::patchify::PatchGrid;

/// Where the decoder's tokens come from, as rows of flat tensors; made on the host from the masks.
#[derive(Debug, Clone)]
pub(crate) struct DecoderRows {
    /// For each query (class token first) its row among the visible tokens of all samples, or the row after them: the mask token.
    pub(crate) queries: Tensor<1, Int>,
    /// The rows of the hidden tokens among all queries.
    pub(crate) hidden: Tensor<1, Int>,
    /// For each row of the memory its place in the position table, where the memory is not the whole stack.
    pub(crate) memory: Option<Tensor<1, Int>>,
}

impl DecoderRows {
    /// # Shapes
    ///
    /// keep and hidden: one list a sample, equally long over samples; queries `[batch * (1 + tokens)]`, hidden `[batch * hidden]`
    pub(crate) fn new(
        keep: &[&[u32]],
        hidden: &[Vec<u32>],
        n_tokens: usize,
        device: &Device,
    ) -> Self {
        let per_sample = 1 + keep.first().map_or(0, |keep| keep.len());
        let mask_token = keep.len() * per_sample;
        let mut queries = vec![mask_token as i64; keep.len() * (1 + n_tokens)];
        for (sample, keep) in keep.iter().enumerate() {
            let (to, from) = (sample * (1 + n_tokens), sample * per_sample);
            queries[to] = from as i64;
            for (place, &token) in keep.iter().enumerate() {
                queries[to + 1 + token as usize] = (from + 1 + place) as i64;
            }
        }
        let row =
            |(sample, &token): (usize, &u32)| (sample * (1 + n_tokens) + 1 + token as usize) as i64;
        let hidden: Vec<i64> = hidden
            .iter()
            .enumerate()
            .flat_map(|(sample, tokens)| tokens.iter().map(move |token| row((sample, token))))
            .collect();
        Self {
            queries: Tensor::from_data(queries.as_slice(), device),
            hidden: Tensor::from_data(hidden.as_slice(), device),
            memory: None,
        }
    }

    /// The same if the other modality is masked too; `kept` are its visible tokens.
    pub(crate) fn over(self, kept: &[&[u32]], device: &Device) -> Self {
        let places = kept.iter().flat_map(|kept| {
            let tokens = kept.iter().map(|&token| i64::from(token) + 1);
            std::iter::once(0).chain(tokens)
        });
        let places: Vec<i64> = places.collect();
        Self {
            memory: Some(Tensor::from_data(places.as_slice(), device)),
            ..self
        }
    }
}

/// The decoder of one target modality: its tokens are the queries, the other modality's are the memory (paper, section 2.1).
#[derive(Module, Debug)]
pub(crate) struct Decoder {
    pub(crate) embed: Linear,
    pub(crate) memory_embed: Linear,
    pub(crate) mask_token: Param<Tensor<3>>,
    pub(crate) pos_embed: Param<Tensor<3>>,
    pub(crate) blocks: Vec<DecoderBlock>,
    pub(crate) norm: LayerNorm,
    pub(crate) pred: Linear,
}

impl Decoder {
    pub(crate) fn new(config: &ModelConfig, device: &Device) -> Self {
        let grid = PatchGrid::new(config);
        let (width, encoder_width) = (config.decoder.width, config.encoder.width);
        let block = |_| DecoderBlock::new(&config.decoder, config.mlp_ratio, device);
        Self {
            embed: Linear::new(encoder_width, width, device),
            memory_embed: Linear::new(encoder_width, width, device),
            mask_token: zeros([1, 1, width], device),
            pos_embed: zeros([1, 1 + grid.n_tokens(), width], device),
            blocks: (0..config.decoder.depth).map(block).collect(),
            norm: LayerNorm::new(width, VIT_EPSILON, device),
            pred: Linear::new(width, grid.n_patch_voxels(), device),
        }
    }

    /// Predicts the voxels of the hidden patches; the head runs on these alone.
    ///
    /// # Shapes
    ///
    /// visible `[batch, 1 + kept, encoder width]`, memory `[batch, 1 + tokens, encoder width]` -> `[batch * hidden, voxels]`
    pub(crate) fn forward(
        &self,
        visible: Tensor<3>,
        memory: Tensor<3>,
        rows: DecoderRows,
    ) -> Tensor<2> {
        let chosen = rows.hidden.clone();
        let hidden = self.run_blocks(visible, memory, rows, |queries| {
            let [batch, n_tokens, width] = queries.dims();
            let n_hidden = chosen.dims()[0] / batch;
            let queries = queries.reshape([batch * n_tokens, width]);
            queries
                .select(0, chosen.clone())
                .reshape([batch, n_hidden, width])
        });
        let [batch, n_hidden, width] = hidden.dims();
        let hidden = hidden.reshape([batch * n_hidden, width]);
        self.pred.forward(self.norm.forward(hidden))
    }

    /// Predicts the voxels of all patches, hidden or not.
    ///
    /// # Shapes
    ///
    /// as [`Self::forward`] -> `[batch, tokens, voxels]`
    pub(crate) fn forward_all(
        &self,
        visible: Tensor<3>,
        memory: Tensor<3>,
        rows: DecoderRows,
    ) -> Tensor<3> {
        let patches = self.run_blocks(visible, memory, rows, |queries| {
            let n_tokens = queries.dims()[1] - 1;
            queries.narrow(1, 1, n_tokens)
        });
        self.pred.forward(self.norm.forward(patches))
    }

    /// The output of the blocks at the chosen queries.
    fn run_blocks(
        &self,
        visible: Tensor<3>,
        memory: Tensor<3>,
        rows: DecoderRows,
        chosen: impl Fn(Tensor<3>) -> Tensor<3>,
    ) -> Tensor<3> {
        let (queries, memory) = self.embed_inputs(visible, memory, rows);
        // After the last self-attention each query is computed by itself, and only the chosen ones are needed.
        match self.blocks.split_last() {
            None => chosen(queries),
            Some((last, blocks)) => {
                let each = |queries, block: &DecoderBlock| block.forward(queries, memory.clone());
                let queries = blocks.iter().fold(queries, each);
                last.cross_attend(chosen(last.self_attend(queries)), memory)
            }
        }
    }

    /// Queries (class token first) and memory, projected to the decoder's width, with positions added.
    fn embed_inputs(
        &self,
        visible: Tensor<3>,
        memory: Tensor<3>,
        rows: DecoderRows,
    ) -> (Tensor<3>, Tensor<3>) {
        let [batch, n_visible, _] = visible.dims();
        let [_, n_tokens, width] = self.pos_embed.dims();
        let visible = self.embed.forward(visible);
        let visible = visible.reshape([batch * n_visible, width]);
        let mask_token = self.mask_token.val().reshape([1, width]);
        let queries = Tensor::cat(vec![visible, mask_token], 0)
            .select(0, rows.queries)
            .reshape([batch, n_tokens, width]);
        let memory = self.memory_embed.forward(memory);
        let table = self.pos_embed.val();
        let places = match rows.memory {
            None => table.clone(),
            Some(places) => table
                .clone()
                .reshape([n_tokens, width])
                .select(0, places)
                .reshape(memory.dims()),
        };
        (queries + table, memory + places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_put_back_at_their_places_and_holes_get_the_mask_token() {
        let keep: [&[u32]; 2] = [&[2, 0], &[1, 3]];
        let hidden = [vec![1, 3], vec![0, 2]];
        let rows = DecoderRows::new(&keep, &hidden, 4, &Device::flex());
        let queries: Vec<i64> = rows.queries.try_into_vec_as().unwrap();
        assert_eq!(queries, [0, 2, 6, 1, 6, 3, 6, 4, 6, 5]);
        let hidden: Vec<i64> = rows.hidden.try_into_vec_as().unwrap();
        assert_eq!(hidden, [2, 4, 6, 8]);
    }
}
