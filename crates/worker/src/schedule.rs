//! The learning rate as a function of the step alone.

use fratmae_config::Train;

/// The rate of update number `step` (1 to `train.steps`): linear warm-up, then a cosine to zero.
pub(crate) fn learning_rate(train: &Train, step: u64) -> f64 {
    let warmup = (train.warmup * train.steps as f64).round();
    let done = step as f64;
    if done <= warmup {
        return train.lr * done / warmup;
    }
    let rest = (train.steps as f64 - warmup).max(1.0);
    let progress = ((done - warmup) / rest).min(1.0);
    train.lr * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
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

    #[test]
    fn warm_up_is_linear_and_ends_at_the_full_rate() {
        assert!((learning_rate(&train(), 1) - 0.2).abs() < 1e-12);
        assert!((learning_rate(&train(), 10) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn the_cosine_halves_in_the_middle_and_ends_at_zero() {
        assert!((learning_rate(&train(), 55) - 1.0).abs() < 1e-12);
        assert!(learning_rate(&train(), 100).abs() < 1e-12);
        assert!(learning_rate(&train(), 11) < 2.0);
    }

    #[test]
    fn without_warm_up_the_first_step_is_nearly_full() {
        let train = Train {
            warmup: 0.0,
            ..train()
        };
        assert!((learning_rate(&train, 1) - 2.0).abs() < 1e-3);
    }

    #[test]
    fn a_single_step_has_a_finite_rate() {
        let train = Train {
            steps: 1,
            warmup: 1.0,
            ..train()
        };
        assert!((learning_rate(&train, 1) - 2.0).abs() < 1e-12);
    }
}
