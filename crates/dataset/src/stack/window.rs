//! Owns the way from stored voxels to numbers in `[0, 1]`: one pass, from half floats as bytes to windowed floats.
//!
//! Which slices make a stack, and which window a volume has, is decided by its parent.

use super::{StackAxis, StackOptions};
use crate::DataSetError;
use crate::reader::Packed;

/// Exponent that a half float lacks once its bits lie where a float has them: 2^112.
const REBIAS: f32 = f32::from_bits(0x7780_0000);

/// The voxels of a stack, each volume of [`StackAxis::stack_shape`].
pub(crate) struct Windowed {
    pub(crate) pet: Vec<f32>,
    pub(crate) ct: Vec<f32>,
    pub(crate) label: Option<Vec<u8>>,
}

impl StackOptions {
    /// Unpacks the stack of the slices, checked and windowed.
    pub(crate) fn windowed(
        &self,
        packed: Packed,
        slices: &[u32],
        grid: [usize; 3],
    ) -> Result<Windowed, DataSetError> {
        let voxels = self.axis.stack_shape(slices.len(), grid).iter().product();
        let [mut pet, mut ct] = [0, 1].map(|_| Vec::with_capacity(voxels));
        let mut label: Option<Vec<u8>> = None;
        if self.axis == StackAxis::Coronal {
            packed.each(|slice| {
                window(slice.pet, self.suv_window, &mut pet);
                window(slice.ct, self.hu_window, &mut ct);
                if let Some(own) = slice.label() {
                    label
                        .get_or_insert_with(|| Vec::with_capacity(voxels))
                        .extend(own);
                }
            })?;
        } else {
            let whole = packed.unpack()?;
            let cut = |volume| self.axis.cut::<2>(volume, slices, grid);
            window(&cut(whole.pet), self.suv_window, &mut pet);
            window(&cut(whole.ct), self.hu_window, &mut ct);
            label = whole
                .label
                .map(|volume| self.axis.cut::<1>(volume, slices, grid));
        }
        Ok(Windowed { pet, ct, label })
    }
}

/// Maps a window to `[0, 1]`, cuts off what lies outside and appends it; voxels are finite half floats as little-endian
/// bytes.
#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+fma",
    "x86_64+avx2+fma"
))]
fn window(voxels: &[u8], [low, high]: [f32; 2], values: &mut Vec<f32>) {
    values.extend(voxels.as_chunks::<2>().0.iter().map(|&voxel| {
        let voxel = float(u16::from_le_bytes(voxel));
        ((voxel - low) / (high - low)).clamp(0.0, 1.0)
    }));
}

/// Widens a finite half float, subnormal ones as well; without a branch, so that it vectorises on any processor.
#[inline(always)]
fn float(half: u16) -> f32 {
    let half = u32::from(half);
    let size = f32::from_bits((half & 0x7fff) << 13) * REBIAS;
    f32::from_bits(size.to_bits() | (half & 0x8000) << 16)
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;

    #[test]
    fn every_finite_half_float_is_widened_exactly() {
        for bits in 0..=u16::MAX {
            let half = f16::from_bits(bits);
            if half.is_finite() {
                assert_eq!(float(bits).to_bits(), half.to_f32().to_bits(), "{bits:#x}");
            }
        }
    }

    #[test]
    fn windows_map_their_ends_to_zero_and_one_and_cut_off_the_rest() {
        // Longer than any vector, and no multiple of one.
        let pattern = [-2000.0, -1000.0, 0.0, 500.0, 1000.0, 3000.0];
        let voxels: Vec<u8> = pattern
            .repeat(11)
            .into_iter()
            .flat_map(|voxel| f16::from_f32(voxel).to_le_bytes())
            .collect();
        let mut values = Vec::new();
        window(&voxels, [-1000.0, 1000.0], &mut values);
        assert_eq!(values, [0.0, 0.0, 0.5, 0.75, 1.0, 1.0].repeat(11));
    }
}
