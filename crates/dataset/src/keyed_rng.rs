//! Owns the deterministic random numbers that everything about the data is drawn from.
//!
//! The numbers are a frozen promise: a data set, an order and a stack of today must come out the same in every later
//! version. It holds no global state and reads no clock; who draws hands in the seed.

/// Yields a stream of random numbers that is a pure function of (purpose, seed, numbers).
///
/// The stream is the output of BLAKE3 in its key-derivation mode (context [`KeyedRng::CONTEXT`]) over: the length of the
/// purpose, the purpose, the seed, the count of the numbers, the numbers; integers as 8 bytes, little-endian. It is
/// read 8 bytes at a time as little-endian words.
#[derive(Debug, Clone)]
pub struct KeyedRng {
    words: blake3::OutputReader,
}

impl KeyedRng {
    /// The key-derivation context; another one would be another stream.
    pub const CONTEXT: &str = "fratmae 2026-11-24 draw";

    /// Opens the stream for one purpose; different purposes, seeds or numbers give unrelated streams.
    pub fn new(purpose: &str, seed: u64, numbers: &[u64]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(Self::CONTEXT);
        hasher.update(&(purpose.len() as u64).to_le_bytes());
        hasher.update(purpose.as_bytes());
        hasher.update(&seed.to_le_bytes());
        hasher.update(&(numbers.len() as u64).to_le_bytes());
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        Self {
            words: hasher.finalize_xof(),
        }
    }

    fn word(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.words.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Draws a whole number in `0..n` without bias; 0, and no word spent, where `n` is 0 or 1.
    ///
    /// The number is the high half of word * n; a word whose low half is below 2^64 mod n is drawn again.
    pub fn below(&mut self, n: u64) -> u64 {
        if n <= 1 {
            return 0;
        }
        let uneven = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.word()) * u128::from(n);
            if product as u64 >= uneven {
                return (product >> 64) as u64;
            }
        }
    }

    /// Draws a number in `[0, 1)`: the top 53 bits of a word, over 2^53.
    pub fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Draws an order of `0..n`: Fisher-Yates from the last place down, each place swapped with one at or below it.
    pub fn permutation(&mut self, n: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        for place in (1..n).rev() {
            let other = self.below(place as u64 + 1) as usize;
            order.swap(place, other);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_those_of_the_description() {
        let mut rng = KeyedRng::new("golden", 7, &[1, 2, 3]);
        let words: Vec<u64> = (0..3).map(|_| rng.word()).collect();
        // Made by another implementation of the description, in Python.
        assert_eq!(
            words,
            [
                0x50d4_78c0_0f3e_8ddd,
                0x61ef_5b84_c488_6ded,
                0x8fe4_8495_87e6_0b67
            ]
        );
    }

    #[test]
    fn numbers_below_a_bound_are_frozen() {
        let mut rng = KeyedRng::new("golden", 7, &[1, 2, 3]);
        let numbers: Vec<u64> = (0..12).map(|_| rng.below(98)).collect();
        assert_eq!(numbers, [30, 37, 55, 31, 78, 88, 20, 44, 33, 80, 0, 46]);
    }

    #[test]
    fn units_are_frozen() {
        let mut rng = KeyedRng::new("golden", 7, &[]);
        assert_eq!(
            [rng.unit(), rng.unit()],
            [0.295_211_803_955_640_6, 0.972_156_914_737_654_8]
        );
    }

    #[test]
    fn permutations_are_frozen() {
        assert_eq!(
            KeyedRng::new("golden", 42, &[0]).permutation(10),
            [3, 6, 0, 1, 8, 5, 9, 7, 2, 4]
        );
        assert_eq!(KeyedRng::new("golden", 42, &[0]).permutation(1), [0]);
        assert!(KeyedRng::new("golden", 42, &[0]).permutation(0).is_empty());
    }

    #[test]
    fn purposes_seeds_and_numbers_part_the_streams() {
        let first =
            |purpose: &str, seed, numbers: &[u64]| KeyedRng::new(purpose, seed, numbers).word();
        let here = first("a", 1, &[2]);
        for other in [
            first("b", 1, &[2]),
            first("a", 2, &[2]),
            first("a", 1, &[3]),
            first("a", 1, &[2, 0]),
            first("a", 1, &[]),
        ] {
            assert_ne!(here, other);
        }
    }

    #[test]
    fn every_number_below_a_bound_comes_up_about_equally_often() {
        let mut rng = KeyedRng::new("fair", 0, &[]);
        let mut counts = [0_u32; 6];
        for _ in 0..60_000 {
            counts[rng.below(6) as usize] += 1;
        }
        // Four standard deviations of a fair die over 60,000 throws are 365.
        assert!(
            counts.iter().all(|&count| count.abs_diff(10_000) < 365),
            "{counts:?}"
        );
    }

    #[test]
    fn a_bound_that_does_not_divide_the_words_is_not_biased() {
        // Without the second draw, a bound of 3 * 2^62 would give numbers in its first third twice as often.
        let mut rng = KeyedRng::new("fair", 1, &[]);
        let bound = 3 << 62;
        let low = (0..3_000).filter(|_| rng.below(bound) < 1 << 62).count();
        assert!(low.abs_diff(1_000) < 110, "{low}");
    }

    proptest! {
        #[test]
        fn a_permutation_holds_each_number_once(seed: u64, n in 0_usize..300) {
            let mut order = KeyedRng::new("test", seed, &[]).permutation(n);
            order.sort_unstable();
            prop_assert_eq!(order, (0..n as u32).collect::<Vec<_>>());
        }

        #[test]
        fn a_number_stays_below_its_bound(seed: u64, n in 1..u64::MAX) {
            prop_assert!(KeyedRng::new("test", seed, &[]).below(n) < n);
        }
    }
}
