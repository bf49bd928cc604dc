//! Owns the count of an image's values between a few fixed edges, which is all that its plausibility is judged by.

/// The edges, each the upper end of what is counted below it.
const EDGES: [f32; 8] = [-1500.0, -500.0, -200.0, -20.0, -0.05, 0.05, 20.0, 200.0];

/// How the values of an image are spread.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    low: f32,
    high: f32,
    count: u64,
    /// Values below each of [`EDGES`].
    below: [u64; EDGES.len()],
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            low: f32::NAN,
            high: f32::NAN,
            count: 0,
            below: [0; EDGES.len()],
        }
    }
}

impl Spread {
    /// Counts the values of a whole image.
    pub fn of(voxels: &[f32]) -> Self {
        let mut spread = Self::default();
        spread.add(voxels);
        spread
    }

    /// Adds values.
    pub(crate) fn add(&mut self, voxels: &[f32]) {
        (self.low, self.high) = widened((self.low, self.high), voxels);
        self.count += voxels.len() as u64;
        // A piece that stays in the cache, so that the image passes through it once and not once for each edge.
        for piece in voxels.chunks(1 << 13) {
            for (count, edge) in self.below.iter_mut().zip(EDGES) {
                // In 32 bits, for which the comparison fills whole vectors.
                *count += u64::from(
                    piece
                        .iter()
                        .map(|&voxel| u32::from(voxel < edge))
                        .sum::<u32>(),
                );
            }
        }
    }

    /// Gives the smallest and the largest value; NaN for an image without voxels.
    pub fn range(&self) -> (f32, f32) {
        (self.low, self.high)
    }

    /// Gives the number of values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Counts values from `low` to below `high`, both of them edges or infinite.
    pub fn between(&self, low: f32, high: f32) -> u64 {
        self.below(high) - self.below(low)
    }

    /// Gives the part of 1 that lies from `low` to below `high`.
    pub fn share_between(&self, low: f32, high: f32) -> f64 {
        self.between(low, high) as f64 / self.count.max(1) as f64
    }

    fn below(&self, edge: f32) -> u64 {
        match EDGES.iter().position(|known| *known == edge) {
            Some(place) => self.below[place],
            None if edge == f32::NEG_INFINITY => 0,
            // Above all edges is above all values.
            None => self.count,
        }
    }
}

fn widened(range: (f32, f32), voxels: &[f32]) -> (f32, f32) {
    // Sixteen at a time, as one after the other the comparisons would wait for each other.
    let (blocks, rest) = voxels.as_chunks::<16>();
    let mut low = [range.0; 16];
    let mut high = [range.1; 16];
    for block in blocks {
        for ((low, high), &voxel) in low.iter_mut().zip(&mut high).zip(block) {
            *low = low.min(voxel);
            *high = high.max(voxel);
        }
    }
    let low = low.into_iter().chain(rest.iter().copied());
    let high = high.into_iter().chain(rest.iter().copied());
    (low.fold(f32::NAN, f32::min), high.fold(f32::NAN, f32::max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_is_looked_at_to_the_last_voxel() {
        for place in [0, 15, 16, 34] {
            let mut voxels = vec![3.0; 35];
            for wrong in [-1.0, 0.5, 256.0] {
                voxels[place] = wrong;
                let range = Spread::of(&voxels).range();
                assert_eq!(range, (3.0_f32.min(wrong), 3.0_f32.max(wrong)));
            }
        }
        assert_eq!(widened((-7.0, 9.0), &[1.0]), (-7.0, 9.0));
    }

    #[test]
    fn values_are_counted_from_the_low_edge_to_below_the_high_one() {
        let mut spread = Spread::of(&[-2000.0, -1500.0, -500.0, 0.0]);
        spread.add(&[200.0, 300.0]);
        assert_eq!(spread.count(), 6);
        assert_eq!(spread.between(-1500.0, -500.0), 1);
        assert_eq!(spread.between(-500.0, 200.0), 2);
        assert_eq!(spread.between(200.0, f32::INFINITY), 2);
        assert_eq!(spread.between(f32::NEG_INFINITY, -1500.0), 1);
        assert_eq!(Spread::default().share_between(-20.0, 20.0), 0.0);
    }
}
