//! Cuts a stack into patches on the host. It owns the order of tokens and of the voxels within one, nothing of the network.

use crate::ModelConfig;

/// The grid of patches over one stack.
///
/// Tokens are numbered in (d, h, w) row-major order of the grid; the voxels of a patch are row-major too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchGrid {
    stack: [usize; 3],
    patch: [usize; 3],
}

impl PatchGrid {
    /// The grid of a model; the config's own check has seen that patches divide the stack.
    pub fn new(config: &ModelConfig) -> Self {
        Self {
            stack: config.stack,
            patch: config.patch,
        }
    }

    /// Patches along each axis.
    pub fn counts(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.stack[axis] / self.patch[axis])
    }

    /// Tokens of one stack.
    pub fn n_tokens(&self) -> usize {
        self.counts().iter().product()
    }

    /// Voxels of one patch.
    pub fn n_patch_voxels(&self) -> usize {
        self.patch.iter().product()
    }

    /// Voxels of one stack.
    pub fn n_stack_voxels(&self) -> usize {
        self.stack.iter().product()
    }

    /// Appends the voxels of the patches named by `tokens`, in their order.
    ///
    /// # Shapes
    ///
    /// `stack`: D*H*W; every token below [`Self::n_tokens`]; appended: tokens * voxels of a patch.
    pub(crate) fn gather(
        &self,
        stack: &[f32],
        tokens: impl Iterator<Item = u32>,
        out: &mut Vec<f32>,
    ) {
        let [_, counts_h, counts_w] = self.counts();
        let [_, height, width] = self.stack;
        let [patch_d, patch_h, patch_w] = self.patch;
        for token in tokens {
            let token = token as usize;
            let d = token / (counts_h * counts_w) * patch_d;
            let h = token / counts_w % counts_h * patch_h;
            let w = token % counts_w * patch_w;
            for row_d in d..d + patch_d {
                for row_h in h..h + patch_h {
                    let start = (row_d * height + row_h) * width + w;
                    out.extend_from_slice(&stack[start..start + patch_w]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> PatchGrid {
        PatchGrid {
            stack: [4, 4, 6],
            patch: [2, 2, 3],
        }
    }

    #[test]
    fn a_patch_is_read_row_major_at_its_place() {
        let stack: Vec<f32> = (0..96_u8).map(f32::from).collect();
        let mut out = Vec::new();
        grid().gather(&stack, [5].into_iter(), &mut out);
        // Token 5 of a 2x2x2 grid is (1, 0, 1): voxels d 2..4, h 0..2, w 3..6.
        let expected = [51., 52., 53., 57., 58., 59., 75., 76., 77., 81., 82., 83.];
        assert_eq!(out, expected);
    }

    #[test]
    fn all_patches_together_hold_each_voxel_once() {
        let stack: Vec<f32> = (0..96_u8).map(f32::from).collect();
        let mut out = Vec::new();
        grid().gather(&stack, 0..8, &mut out);
        out.sort_by(f32::total_cmp);
        assert_eq!(out, stack);
    }

    #[test]
    fn the_papers_stack_has_240_tokens_of_4096_voxels() {
        let grid = PatchGrid::new(&ModelConfig::default());
        assert_eq!(grid.counts(), [2, 10, 12]);
        assert_eq!((grid.n_tokens(), grid.n_patch_voxels()), (240, 4096));
        assert_eq!(grid.n_stack_voxels(), 983_040);
    }
}
