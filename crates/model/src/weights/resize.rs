//! Linear resampling of small grids, axis by axis with half-pixel centres. It owns no meaning of the numbers.

/// Resamples a grid of rows to another one; the rows are carried along.
///
/// An axis of one is repeated. What lies outside takes the nearest row.
///
/// # Shapes
///
/// `[from[0], from[1], from[2], width]` -> `[to[0], to[1], to[2], width]`
pub(super) fn resize(values: &[f32], from: [usize; 3], to: [usize; 3], width: usize) -> Vec<f32> {
    let mut shape = from;
    let mut values = values.to_vec();
    for axis in 0..3 {
        if shape[axis] != to[axis] {
            let inner = shape[axis + 1..].iter().product::<usize>() * width;
            values = resize_axis(&values, shape[axis], to[axis], inner);
            shape[axis] = to[axis];
        }
    }
    values
}

/// `[outer, from, inner]` -> `[outer, to, inner]`
fn resize_axis(values: &[f32], from: usize, to: usize, inner: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len() / from * to);
    for block in values.chunks_exact(from * inner) {
        for place in 0..to {
            let (low, high, share) = neighbours(place, from, to);
            let (low, high) = (&block[low * inner..][..inner], &block[high * inner..]);
            let mixed = low.iter().zip(high);
            out.extend(mixed.map(|(a, b)| a + (b - a) * share));
        }
    }
    out
}

/// The two source places around a target place, and how much of the second.
fn neighbours(place: usize, from: usize, to: usize) -> (usize, usize, f32) {
    let centre = (place as f64 + 0.5) * from as f64 / to as f64 - 0.5;
    let centre = centre.clamp(0.0, from as f64 - 1.0);
    let low = centre.floor();
    let high = (low as usize + 1).min(from - 1);
    (low as usize, high, (centre - low) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_stays_a_ramp() {
        let ramp = [0.0, 1.0, 2.0, 3.0];
        let finer = resize(&ramp, [1, 1, 4], [1, 1, 8], 1);
        assert_eq!(finer, [0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]);
        assert_eq!(resize(&ramp, [4, 1, 1], [2, 1, 1], 1), [0.5, 2.5]);
    }

    #[test]
    fn an_axis_of_one_is_repeated_and_rows_stay_together() {
        let out = resize(&[1.0, 2.0, 3.0, 4.0], [1, 2, 1], [3, 2, 1], 2);
        assert_eq!(out, [1., 2., 3., 4.].repeat(3));
    }
}
