//! The global norm of a gradient, and clipping by it.
//!
//! Sums run in a fixed order over fixed pieces, so that the norm's bits do not depend on threads.

use rayon::prelude::*;

/// Elements summed in one piece.
const PIECE: usize = 1 << 15;

/// The Euclidean norm of the whole gradient, summed in f64.
pub(crate) fn global_norm(gradient: &[f32]) -> f64 {
    let pieces: Vec<f64> = gradient.par_chunks(PIECE).map(squares).collect();
    pieces.iter().sum::<f64>().sqrt()
}

/// Eight running sums, so that no addition waits for the one before it.
fn squares(piece: &[f32]) -> f64 {
    let square = |g: f32| f64::from(g) * f64::from(g);
    let (chunks, rest) = piece.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for chunk in chunks {
        for lane in 0..8 {
            lanes[lane] += square(chunk[lane]);
        }
    }
    let rest = rest.iter().map(|&g| square(g));
    lanes.into_iter().chain(rest).sum()
}

/// The factor that brings a gradient of norm `norm` within `limit`.
pub(crate) fn clip_factor(norm: f64, limit: f64) -> f32 {
    if norm > limit {
        (limit / norm) as f32
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_is_euclidean() {
        assert!((global_norm(&[3.0, 0.0, -4.0]) - 5.0).abs() < 1e-12);
        assert!(global_norm(&[]).abs() < 1e-12);
    }

    #[test]
    fn the_norm_has_the_same_bits_for_any_number_of_threads() {
        let gradient: Vec<f32> = (0..200_001)
            .map(|i| ((i * 37 % 101) as f32 - 50.0) * 1e-3)
            .collect();
        let norms = [1, 2, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| global_norm(&gradient)).to_bits()
        });
        assert_eq!(norms[0], norms[1]);
        assert_eq!(norms[0], norms[2]);
    }

    #[test]
    fn only_a_longer_gradient_is_shortened() {
        assert!((clip_factor(4.0, 1.0) - 0.25).abs() < 1e-7);
        assert!((clip_factor(0.5, 1.0) - 1.0).abs() < 1e-7);
    }
}
