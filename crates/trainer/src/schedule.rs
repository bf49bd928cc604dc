//! The learning rate as a function of the step alone.
//!
//! With N = `train.steps`, W = `train.warmup` x N, rounded, and update s from 1 to N:
//!
//! - warm-up, s <= W: rate(s) = lr x s / W;
//! - then: rate(s) = lr x (1 + cos(pi x (s - 1 - W) / (N - W))) / 2.
//!
//! Both end where the other kind of step begins: the warm-up reaches the peak with its last update, and the cosine would
//! be zero at update N + 1, which is never made. So every update moves the weights, and a job of one step trains one.
//! These are the rates of PyTorch's `CosineAnnealingLR` with `T_max = N - W` after the warm-up.

use config::Train;
use std::f64::consts::FRAC_PI_2;

/// The rate of update number `step` (1 to `train.steps`); above zero for each of them.
pub fn learning_rate(train: &Train, step: u64) -> f64 {
    let warmup = (train.warmup * train.steps as f64).round();
    let done = step as f64;
    if done <= warmup {
        return train.lr * done / warmup;
    }
    let length = (train.steps as f64 - warmup).max(1.0);
    let left = (train.steps as f64 + 1.0 - done).max(0.0) / length;
    // (1 + cos(pi x)) / 2 = sin(pi (1 - x) / 2) ^ 2, which does not vanish by rounding near the end of a long job.
    train.lr * (FRAC_PI_2 * left).sin().powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn train() -> Train {
        Train {
            steps: 100,
            warmup: 0.1,
            lr: 2.0,
            ..Train::default()
        }
    }

    fn of(steps: u64, warmup: f64) -> Vec<f64> {
        let train = Train {
            steps,
            warmup,
            ..train()
        };
        (1..=steps)
            .map(|step| learning_rate(&train, step))
            .collect()
    }

    #[test]
    fn warm_up_is_linear_and_ends_at_the_full_rate() {
        assert!((learning_rate(&train(), 1) - 0.2).abs() < 1e-12);
        assert!((learning_rate(&train(), 10) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn the_cosine_begins_at_the_peak_halves_in_the_middle_and_would_be_zero_after_the_last_step() {
        assert_eq!(learning_rate(&train(), 11), 2.0);
        assert!((learning_rate(&train(), 56) - 1.0).abs() < 1e-12);
        let formula = |step: f64| 1.0 + (std::f64::consts::PI * (step - 11.0) / 90.0).cos();
        for step in 11..=100 {
            assert!((learning_rate(&train(), step) - formula(step as f64)).abs() < 1e-12);
        }
        assert_eq!(learning_rate(&train(), 101), 0.0);
    }

    #[test]
    fn every_step_of_every_job_has_a_rate_and_none_is_above_the_peak() {
        for steps in 1..=40 {
            for warmup in [0.0, 0.01, 0.1, 0.5, 0.97, 1.0] {
                let rates = of(steps, warmup);
                let sound = rates.iter().all(|rate| *rate > 0.0 && *rate <= 2.0);
                assert!(sound, "{steps} steps, warm-up {warmup}: {rates:?}");
                assert!(
                    rates.contains(&2.0),
                    "{steps} steps, warm-up {warmup}: {rates:?}"
                );
            }
        }
    }

    #[test]
    fn a_job_of_one_or_two_steps_trains_them() {
        for warmup in [0.0, 0.1, 1.0] {
            assert_eq!(of(1, warmup), [2.0]);
        }
        let two = of(2, 0.1);
        assert_eq!(two[0], 2.0);
        assert!((two[1] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_last_of_a_billion_steps_has_a_rate() {
        let train = Train {
            steps: 1_000_000_000,
            ..train()
        };
        assert!(learning_rate(&train, 1_000_000_000) > 0.0);
        assert!(learning_rate(&train, 1) > 0.0);
    }
}
