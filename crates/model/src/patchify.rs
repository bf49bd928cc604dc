//! Cuts a stack into patches on the host. It owns the order of tokens and of the voxels within one, nothing of the network.

use crate::ModelConfig;
use crate::kernels::rows;

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

    /// The voxels of some patches, each of a stack: `patches` says the stack and the token.
    ///
    /// # Shapes
    ///
    /// `stacks`: stacks of D*H*W, one after the other; every token below [`Self::n_tokens`] -> patches * voxels of one
    pub(crate) fn gather(&self, stacks: &[f32], patches: &[(usize, u32)]) -> Vec<f32> {
        let [patch_d, patch_h, patch_w] = self.patch;
        // A patch is read in runs along its last axis, where its voxels lie side by side.
        rows::joined(patches.len(), self.n_patch_voxels(), |number| {
            let (stack, token) = patches[number];
            let start = stack * self.n_stack_voxels() + self.first_voxel(token as usize);
            (0..patch_d).flat_map(move |d| {
                let run = move |h| start + (d * self.stack[1] + h) * self.stack[2];
                (0..patch_h).map(move |h| &stacks[run(h)..][..patch_w])
            })
        })
    }

    /// Where a token's first voxel is in its stack.
    fn first_voxel(&self, token: usize) -> usize {
        let [_, counts_h, counts_w] = self.counts();
        let d = token / (counts_h * counts_w) * self.patch[0];
        let h = token / counts_w % counts_h * self.patch[1];
        let w = token % counts_w * self.patch[2];
        (d * self.stack[1] + h) * self.stack[2] + w
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
        let out = grid().gather(&stack, &[(0, 5)]);
        // Token 5 of a 2x2x2 grid is (1, 0, 1): voxels d 2..4, h 0..2, w 3..6.
        let expected = [51., 52., 53., 57., 58., 59., 75., 76., 77., 81., 82., 83.];
        assert_eq!(out, expected);
    }

    #[test]
    fn patches_of_a_later_stack_are_found_there() {
        let stacks: Vec<f32> = (0..192_u8).map(f32::from).collect();
        let out = grid().gather(&stacks, &[(1, 5), (0, 5)]);
        assert_eq!((out[0], out[12]), (96.0 + 51.0, 51.0));
    }

    #[test]
    fn all_patches_together_hold_each_voxel_once() {
        let stack: Vec<f32> = (0..96_u8).map(f32::from).collect();
        let all: Vec<_> = (0..8).map(|token| (0, token)).collect();
        let mut out = grid().gather(&stack, &all);
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
