//! The ViT encoder of one modality. It owns patch embedding, class token and positions; which tokens it sees is an argument.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};

use crate::ModelConfig;
use crate::block::EncoderBlock;
use crate::layer::{LayerNorm, Linear, VIT_EPSILON, zeros};
use crate::patchify::PatchGrid;

/// The projection of a patch's voxels to a token.
#[derive(Module, Debug)]
pub(crate) struct PatchEmbed {
    pub(crate) proj: Linear,
}

/// A ViT over the patches of one modality (paper, section 2.1).
#[derive(Module, Debug)]
pub(crate) struct Encoder {
    pub(crate) cls_token: Param<Tensor<3>>,
    pub(crate) pos_embed: Param<Tensor<3>>,
    pub(crate) patch_embed: PatchEmbed,
    pub(crate) blocks: Vec<EncoderBlock>,
    pub(crate) norm: LayerNorm,
}

impl Encoder {
    pub(crate) fn new(config: &ModelConfig, device: &Device) -> Self {
        let grid = PatchGrid::new(config);
        let width = config.encoder.width;
        let block = |_| EncoderBlock::new(width, config.encoder.heads, config.mlp_ratio, device);
        Self {
            cls_token: zeros([1, 1, width], device),
            pos_embed: zeros([1, 1 + grid.n_tokens(), width], device),
            patch_embed: PatchEmbed {
                proj: Linear::new(grid.n_patch_voxels(), width, device),
            },
            blocks: (0..config.encoder.depth).map(block).collect(),
            norm: LayerNorm::new(width, VIT_EPSILON, device),
        }
    }

    /// Encodes all patches of each stack.
    ///
    /// # Shapes
    ///
    /// patches `[batch, tokens, voxels]` -> `[batch, 1 + tokens, width]`, the class token first
    pub(crate) fn forward_whole(&self, patches: Tensor<3>) -> Tensor<3> {
        let n_tokens = patches.dims()[1];
        let positions = self.pos_embed.val().narrow(1, 1, n_tokens);
        self.forward(self.patch_embed.proj.forward(patches) + positions)
    }

    /// Encodes the visible patches of each stack; the hidden ones are left out.
    ///
    /// # Shapes
    ///
    /// patches `[batch, kept, voxels]`, tokens `[batch * kept]` (their places in the stack) -> `[batch, 1 + kept, width]`
    pub(crate) fn forward_visible(&self, patches: Tensor<3>, tokens: Tensor<1, Int>) -> Tensor<3> {
        let [batch, kept, _] = patches.dims();
        let [_, rows, width] = self.pos_embed.dims();
        let positions = self
            .pos_embed
            .val()
            .reshape([rows, width])
            .select(0, tokens.add_scalar(1))
            .reshape([batch, kept, width]);
        self.forward(self.patch_embed.proj.forward(patches) + positions)
    }

    fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let [batch, _, width] = tokens.dims();
        // The class token's position is zeros: nothing is added to it.
        let class = self.cls_token.val().expand([batch, 1, width]);
        let tokens = Tensor::cat(vec![class, tokens], 1);
        let tokens = self
            .blocks
            .iter()
            .fold(tokens, |tokens, block| block.forward(tokens));
        self.norm.forward(tokens)
    }
}
