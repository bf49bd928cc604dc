//! The fixed 3-D sine-cosine positions of the tokens, part of the checkpoint format. It owns the table, not where it is added.

/// The position table of a patch grid, the class token's row first.
///
/// Each axis, in the order d, h, w, gets `width / 6` sines and then `width / 6` cosines of the token's place on it times
/// `10000^(-i / (width / 6))`. The class token's row is zeros.
///
/// # Shapes
///
/// `(1 + tokens) * width`, row-major; `width` is a multiple of 6.
pub(crate) fn sine_cosine(counts: [usize; 3], width: usize) -> Vec<f32> {
    let per_axis = width / 6;
    let frequencies: Vec<f64> = (0..per_axis)
        .map(|i| 10_000_f64.powf(-(i as f64) / per_axis as f64))
        .collect();
    let mut table = vec![0.0; width];
    for d in 0..counts[0] {
        for h in 0..counts[1] {
            for w in 0..counts[2] {
                for place in [d, h, w] {
                    let angles = frequencies.iter().map(|f| f * place as f64);
                    table.extend(angles.clone().map(|angle| angle.sin() as f32));
                    table.extend(angles.map(|angle| angle.cos() as f32));
                }
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_row_is_zeros() {
        assert!(sine_cosine([2, 2, 3], 12)[..12].iter().all(|&x| x == 0.0));
    }

    #[test]
    fn the_first_token_has_zero_sines_and_unit_cosines() {
        let table = sine_cosine([2, 2, 3], 12);
        assert_eq!(
            table[12..24],
            [0., 0., 1., 1., 0., 0., 1., 1., 0., 0., 1., 1.]
        );
    }

    #[test]
    fn the_axes_come_in_the_order_d_h_w() {
        let table = sine_cosine([2, 2, 3], 12);
        // The last token is (1, 1, 2); the two frequencies are 1 and 0.01.
        let expected = [
            0.841_471,
            0.009_999_833,
            0.540_302_3,
            0.999_95,
            0.841_471,
            0.009_999_833,
            0.540_302_3,
            0.999_95,
            0.909_297_4,
            0.019_998_666,
            -0.416_146_84,
            0.999_8,
        ];
        let last = &table[table.len() - 12..];
        for (found, expected) in last.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }
}
