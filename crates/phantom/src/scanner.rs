//! Owns what a scanner does to an image: the blur of its resolution and its noise. It knows no organ.

/// Standard deviation of the blur of a PET, in millimetres: 6 mm full width at half maximum.
pub(crate) const PET_BLUR: f64 = 2.6;
/// Standard deviation of the blur of a CT that was brought to the grid of a PET.
pub(crate) const CT_BLUR: f64 = 1.2;

/// Most that one pass of `blur` may hand to each neighbour; more would ring.
const LARGEST_SHARE: f64 = 0.25;

/// Blurs by a bell of `deviation` millimetres along every axis.
pub(crate) fn blur(voxels: &mut [f32], shape: [usize; 3], spacing: [f32; 3], deviation: f64) {
    let mut stride = 1;
    for (length, size) in shape.into_iter().zip(spacing) {
        // Each pass adds twice the share to the variance, in voxels.
        let share = (deviation / f64::from(size)).powi(2) / 2.0;
        let passes = (share / LARGEST_SHARE).ceil().max(1.0);
        for _ in 0..passes as usize {
            mix(voxels, stride, length, (share / passes) as f32);
        }
        stride *= length;
    }
}

/// Mixes each voxel with its two neighbours along one axis; `side` is the share of each of them.
fn mix(voxels: &mut [f32], stride: usize, length: usize, side: f32) {
    let mut before = vec![0.0; stride];
    for block in voxels.chunks_exact_mut(stride * length) {
        before.copy_from_slice(&block[..stride]);
        for start in (0..length).map(|place| place * stride) {
            let (row, rest) = block[start..].split_at_mut(stride);
            let after = if rest.is_empty() {
                None
            } else {
                Some(&rest[..stride])
            };
            for (offset, (value, before)) in row.iter_mut().zip(&mut before).enumerate() {
                let own = *value;
                let after = after.map_or(own, |after| after[offset]);
                *value = own + side * (*before + after - 2.0 * own);
                *before = own;
            }
        }
    }
}

/// A fast stream of bell-shaped noise (SplitMix64); drawing each voxel from `KeyedRng` would take longer than imaging.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    /// Gives the next value: mean 0, deviation 1, from the sum of four even 16-bit numbers.
    pub(crate) fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        let sum: u64 = (0..4).map(|part| word >> (16 * part) & 0xffff).sum();
        (sum as f32 / 65_535.0 - 2.0) * 3.0_f32.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_mean_nought_and_deviation_one() {
        let mut noise = Noise(1);
        let values: Vec<f32> = (0..40_000).map(|_| noise.next()).collect();
        let mean = values.iter().sum::<f32>() / 40_000.0;
        let variance = values.iter().map(|value| value * value).sum::<f32>() / 40_000.0;
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03,
            "{mean} {variance}"
        );
    }

    #[test]
    fn blur_has_the_deviation_it_was_asked_whatever_the_voxels() {
        let shape = [31, 31, 31];
        let spacing = [2.0, 4.0, 3.0];
        let mut voxels = vec![0.0; 31 * 31 * 31];
        let strides = [1, 31, 31 * 31];
        voxels[15 * (1 + 31 + 31 * 31)] = 1.0;
        blur(&mut voxels, shape, spacing, 5.0);
        assert!((voxels.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        for axis in 0..3 {
            let moment: f32 = voxels
                .iter()
                .enumerate()
                .map(|(index, value)| {
                    let place = (index / strides[axis] % 31) as f32 - 15.0;
                    (place * spacing[axis]).powi(2) * value
                })
                .sum();
            assert!((moment.sqrt() - 5.0).abs() < 0.1, "{axis}: {moment}");
        }
    }

    #[test]
    fn blur_changes_nothing_where_all_is_even() {
        let mut voxels = vec![7.0; 4 * 3 * 2];
        blur(&mut voxels, [4, 3, 2], [1.0; 3], 2.0);
        assert!(voxels.iter().all(|value| (value - 7.0).abs() < 1e-5));
    }
}
