//! AdamW against the formula in f64, and against itself for any number of threads.

use super::*;
use control::Step;

fn parameter(offset: usize, length: usize, update: Update) -> Parameter {
    Parameter {
        name: format!("p{offset}"),
        shape: vec![length],
        offset,
        gradient: 0..0,
        update,
    }
}

fn state(parameters: Vec<f32>) -> State {
    let zeros = vec![0.0; parameters.len()];
    State {
        step: Step::new(0),
        parameters,
        first_moment: zeros.clone(),
        second_moment: zeros,
    }
}

fn train() -> Train {
    Train {
        beta1: 0.9,
        beta2: 0.95,
        epsilon: 1e-8,
        weight_decay: 0.1,
        ..Train::default()
    }
}

#[test]
fn three_steps_follow_the_formula() {
    let layout = [
        parameter(0, 1, Update::Decay),
        parameter(1, 1, Update::NoDecay),
    ];
    let optimizer = AdamW::new(&train(), &layout);
    let mut state = state(vec![0.5, 0.5]);
    let (mut expected, mut first, mut second) = ([0.5_f64; 2], 0.0_f64, 0.0_f64);
    for (step, gradient) in [(1_u64, 0.3_f64), (2, -0.7), (3, 0.2)] {
        state.step = Step::new(step);
        optimizer.update(&mut state, &[gradient as f32; 2], 1.0, 0.01);
        first = 0.9 * first + 0.1 * gradient;
        second = 0.95 * second + 0.05 * gradient * gradient;
        let corrected = first / (1.0 - 0.9_f64.powf(step as f64));
        let root = (second / (1.0 - 0.95_f64.powf(step as f64))).sqrt() + 1e-8;
        for (value, decay) in expected.iter_mut().zip([0.1, 0.0]) {
            *value = *value * (1.0 - 0.01 * decay) - 0.01 * corrected / root;
        }
    }
    for (ours, formula) in state.parameters.iter().zip(expected) {
        assert!(
            (f64::from(*ours) - formula).abs() < 1e-6,
            "{ours} is not {formula}"
        );
    }
}

#[test]
fn frozen_parameters_do_not_move_even_with_a_gradient() {
    let optimizer = AdamW::new(&train(), &[parameter(0, 2, Update::Frozen)]);
    let mut state = state(vec![1.0, -2.0]);
    state.step = Step::new(1);
    optimizer.update(&mut state, &[9.0, 9.0], 1.0, 0.1);
    assert_eq!(state.parameters, [1.0, -2.0]);
    assert_eq!(state.first_moment, [0.0, 0.0]);
}

#[test]
fn a_zero_gradient_still_decays() {
    let optimizer = AdamW::new(&train(), &[parameter(0, 1, Update::Decay)]);
    let mut state = state(vec![1.0]);
    state.step = Step::new(1);
    optimizer.update(&mut state, &[0.0], 1.0, 0.5);
    assert!((state.parameters[0] - 0.95).abs() < 1e-6);
}

#[test]
fn clipping_scales_the_gradient_before_the_moments() {
    let optimizer = AdamW::new(&train(), &[parameter(0, 1, Update::NoDecay)]);
    let mut state = state(vec![0.0]);
    state.step = Step::new(1);
    optimizer.update(&mut state, &[4.0], 0.25, 0.5);
    assert!((state.first_moment[0] - 0.1).abs() < 1e-7);
}

#[test]
fn the_bits_do_not_depend_on_threads() {
    let length = 100_003;
    let layout = [
        parameter(0, 70_001, Update::Decay),
        parameter(70_001, length - 70_001, Update::NoDecay),
    ];
    let optimizer = AdamW::new(&train(), &layout);
    let gradient: Vec<f32> = (0..length)
        .map(|i| ((i * 31 % 97) as f32 - 48.0) * 1e-2)
        .collect();
    let results = [1, 2, 3].map(|threads| {
        let mut state = state(gradient.iter().map(|g| g * 0.5).collect());
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            for step in 1..4 {
                state.step = Step::new(step);
                optimizer.update(&mut state, &gradient, 0.9, 1e-3);
            }
        });
        state.parameters
    });
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
}
