//! Kernels against the formulas in f64, where no composition stands for them.

use super::activation::Activation;
use super::attention::Heads;
use super::layer_norm::Norm;
use super::rows;

fn wave(n: usize, step: f32) -> Vec<f32> {
    (0..n).map(|i| (1.0 + i as f32 * step).sin()).collect()
}

#[test]
fn activations_have_their_known_values() {
    let gelu = Activation::Gelu.forward(&[0.0, 1.0, -1.0, -5.0]);
    for (found, exact) in gelu
        .iter()
        .zip([0.0, 0.841_344_7, -0.158_655_25, -1.433_26e-6])
    {
        assert!(
            (found - exact).abs() <= 2e-6 * exact.abs(),
            "{found} is not {exact}"
        );
    }
    let quick = Activation::QuickGelu.forward(&[1.0, -2.0]);
    assert!((quick[0] - 0.845_795_6).abs() < 1e-6, "{quick:?}");
    assert!((quick[1] + 0.064_341_4).abs() < 1e-6, "{quick:?}");
}

#[test]
fn activation_gradients_match_finite_differences() {
    for activation in [Activation::Gelu, Activation::QuickGelu] {
        // Longer than one task's piece.
        let input: Vec<f32> = (0..20_000).map(|i| (i as f32 - 10_000.0) * 5e-4).collect();
        let (mut active, mut grad) = (input.clone(), vec![1.0; input.len()]);
        activation.backward(&mut active, &mut grad);
        assert!(active == activation.forward(&input));
        for i in (0..input.len()).step_by(371) {
            let at = |x: f32| f64::from(activation.forward(&[x])[0]);
            let (low, high) = (input[i] - 1e-2, input[i] + 1e-2);
            let difference = (at(high) - at(low)) / f64::from(high - low);
            assert!(
                (f64::from(grad[i]) - difference).abs() < 2e-4,
                "{activation:?} at {}",
                input[i]
            );
        }
    }
}

#[test]
fn a_normed_row_has_mean_and_deviation_of_its_parameters() {
    let (weight, bias) = (vec![2.0; 37], vec![0.5; 37]);
    let norm = Norm {
        weight: &weight,
        bias: &bias,
        epsilon: 0.0,
    };
    for row in norm.forward(&wave(37 * 5, 0.7)).chunks(37) {
        let mean = row.iter().sum::<f32>() / 37.0;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 37.0;
        assert!((mean - 0.5).abs() < 1e-5 && (variance - 4.0).abs() < 1e-4);
    }
}

#[test]
fn attention_follows_the_formula() {
    let heads = Heads {
        n_samples: 2,
        n_heads: 3,
        size: 4,
        is_causal: false,
    };
    let (n_queries, n_keys) = (5, 7);
    let query = wave(2 * n_queries * 12, 0.7);
    let (key, value) = (wave(2 * n_keys * 12, 0.3), wave(2 * n_keys * 12, 0.9));
    let blocks = [&query, &key, &value].map(|part| heads.read(part, 1, 0));
    let seen = heads.forward(blocks.each_ref());
    for (place, found) in seen.iter().enumerate() {
        let (sample, row, column) = (place / 60, place / 12 % 5, place % 12);
        let head = column / 4 * 4;
        let at = |part: &[f32], n: usize, row: usize, column: usize| {
            f64::from(part[(sample * n + row) * 12 + column])
        };
        let score = |key_row: usize| -> f64 {
            let products = (head..head + 4)
                .map(|c| at(&query, n_queries, row, c) * at(&key, n_keys, key_row, c));
            (products.sum::<f64>() / 2.0).exp()
        };
        let total: f64 = (0..n_keys).map(score).sum();
        let exact = (0..n_keys)
            .map(|k| score(k) * at(&value, n_keys, k, column))
            .sum::<f64>()
            / total;
        assert!(
            (f64::from(*found) - exact).abs() < 1e-6,
            "{found} is not {exact}"
        );
    }
}

#[test]
fn under_causality_the_first_token_sees_itself_only() {
    let heads = Heads {
        n_samples: 1,
        n_heads: 1,
        size: 2,
        is_causal: true,
    };
    let (other, value) = (wave(6, 0.5), vec![4.0, 5.0, 8.0, 9.0, 1.0, 2.0]);
    let blocks = [&other, &other, &value].map(|part| heads.read(part, 1, 0));
    let seen = heads.forward(blocks.each_ref());
    assert_eq!(seen[..2], [4.0, 5.0]);
    assert!(seen[2] > 4.0 && seen[2] < 8.0);
}

#[test]
fn rows_are_made_whole_whatever_their_number() {
    for (n_rows, width) in [(0, 3), (1, 1), (7, 5_000), (40_000, 3)] {
        let source = wave(n_rows * width, 0.1);
        let row = |number: usize| &source[number * width..][..width];
        let doubled = rows::copied(n_rows, width, row, |_, row| {
            row.iter_mut().for_each(|x| *x *= 2.0)
        });
        assert_eq!(doubled.len(), source.len());
        assert!(doubled.iter().zip(&source).all(|(a, b)| *a == 2.0 * b));
    }
}

#[test]
fn runs_are_joined_to_rows() {
    let source = wave(60, 0.1);
    let runs = |row: usize| source[row * 6..][..6].chunks(2).rev();
    let joined = rows::joined(10, 6, runs);
    assert_eq!(
        joined[6..12],
        [10, 11, 8, 9, 6, 7].map(|i: usize| source[i])
    );
}

#[test]
fn column_sums_are_added_top_to_bottom() {
    let rows = wave(301 * 300, 0.3);
    let mut sums = vec![1.0; 300];
    rows::add_column_sums(&rows, &mut sums);
    let mut expected = vec![1.0_f32; 300];
    for row in rows.chunks(300) {
        expected.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    assert!(sums == expected);
}
