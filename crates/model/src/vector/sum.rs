//! Whether two vectors have the same bits, from one number of each.

use rayon::prelude::*;

/// Numbers summed by one thread at a time.
const PIECE: usize = 1 << 16;
/// An odd number whose bits look random: multiplying by it loses nothing.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A sum in which every bit counts: one flipped bit always changes it. As fast as memory; no guard against malice.
pub fn bit_sum(values: &[f32]) -> u64 {
    let pieces: Vec<u64> = values.par_chunks(PIECE).map(piece_sum).collect();
    total(values.len(), pieces)
}

/// The sum of the sums of a vector's pieces.
pub(super) fn total(len: usize, pieces: impl IntoIterator<Item = u64>) -> u64 {
    pieces.into_iter().fold(len as u64, mixed)
}

/// Four running sums, so that no multiplication waits for the one before it.
fn piece_sum(piece: &[f32]) -> u64 {
    let (eights, rest) = piece.as_chunks::<8>();
    let mut lanes = [1, 2, 3, 4];
    for eight in eights {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            let [low, high] =
                [eight[2 * lane], eight[2 * lane + 1]].map(|v| u64::from(v.to_bits()));
            *sum = mixed(*sum, low | high << 32);
        }
    }
    let rest = rest.iter().map(|value| u64::from(value.to_bits()));
    lanes.into_iter().chain(rest).fold(0, mixed)
}

const fn mixed(sum: u64, word: u64) -> u64 {
    (sum ^ word).wrapping_mul(ODD).rotate_left(29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flipped_bit_changes_the_sum() {
        let values: Vec<f32> = (0..70_003).map(|i| i as f32 * 0.37 - 9.0).collect();
        let sum = bit_sum(&values);
        for place in [0, 1, 7, 8, 65_535, 65_536, 70_000, 70_002] {
            for bit in 0..32 {
                let mut flipped = values.clone();
                flipped[place] = f32::from_bits(values[place].to_bits() ^ 1 << bit);
                assert_ne!(bit_sum(&flipped), sum, "bit {bit} of {place}");
            }
        }
    }

    #[test]
    fn the_sum_does_not_depend_on_the_number_of_threads() {
        let values: Vec<f32> = (0..300_001).map(|i| (i as f32).sin()).collect();
        let sums = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| bit_sum(&values))
        });
        assert_eq!(sums[0], sums[1]);
    }
}
