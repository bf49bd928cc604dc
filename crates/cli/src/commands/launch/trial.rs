//! How long a step takes here, tried on made-up samples.

use std::cell::Cell;
use std::time::Instant;

use fratmae_config::Config;
use fratmae_control::Phase;
use fratmae_model::{DeviceKind, FratMae};
use fratmae_pretrain::{Batch, Pretrain, made_up};
use fratmae_trainer::{Hooks, Opening, Solo, Task as _, TrainError};

/// Samples of a trial: one hides PET, the other CT.
const SAMPLES: usize = 2;
/// The first step touches memory for the first time; a longer one hides that, and is not worth another.
const LONG_S: f64 = 3.0;

/// What a step takes on all cores of this machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Trial {
    /// Seconds of a sample's two passes.
    pub(super) sample_seconds: f64,
    /// Seconds of what a step takes beside them, however many samples it has.
    pub(super) step_seconds: f64,
    /// How many cores that are.
    pub(super) cores: usize,
}

/// The time of a step by what it is spent on.
struct Spent {
    phase: Cell<Phase>,
    since: Cell<Instant>,
    passes: Cell<f64>,
    rest: Cell<f64>,
}

impl Spent {
    fn begin() -> Self {
        Self {
            phase: Cell::new(Phase::Idle),
            since: Cell::new(Instant::now()),
            passes: Cell::new(0.0),
            rest: Cell::new(0.0),
        }
    }

    fn note(&self, next: Phase) {
        let now = Instant::now();
        let seconds = now.duration_since(self.since.replace(now)).as_secs_f64();
        let account = match self.phase.replace(next) {
            Phase::Forward | Phase::Backward => &self.passes,
            _ => &self.rest,
        };
        account.set(account.get() + seconds);
    }
}

impl Hooks for Spent {
    type Error = TrainError;

    fn enter(&self, phase: Phase) {
        self.note(phase);
    }
}

/// Tries a step of a job on the CPU.
///
/// # Errors
/// The device's.
pub(super) fn try_step(config: &Config) -> Result<Trial, TrainError> {
    fratmae_worker::keep_memory();
    let mut config = config.clone();
    (config.train.batch, config.train.slots) = (SAMPLES, 1);
    let device = fratmae_model::open(DeviceKind::Cpu)?;
    let task = Pretrain::open(&Opening {
        config: &config,
        n_cases: 0,
        kind: DeviceKind::Cpu,
        device: &device,
    });
    let task = task.map_err(TrainError::Task)?;
    let weights = FratMae::first_values(task.parameters(), &config.model, config.run.seed);
    let batch = Batch::Ready(made_up(&config.model, SAMPLES));
    let mut training = Solo::new(task, weights, &config, device);
    loop {
        let mut spent = Spent::begin();
        let began = Instant::now();
        let step = training.step(vec![batch.clone()], &mut spent)?.step;
        spent.note(Phase::Idle);
        if step > 1 || began.elapsed().as_secs_f64() > LONG_S {
            return Ok(Trial {
                sample_seconds: spent.passes.get() / SAMPLES as f64,
                step_seconds: spent.rest.get(),
                cores: std::thread::available_parallelism().map_or(1, usize::from),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_tried_whatever_the_job_has_of_slots() {
        let sets = [
            "model.preset=tiny",
            "model.stack=[16,32,32]",
            "data.grid=[32,32,32]",
        ];
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        let trial = try_step(&Config::load(None, &sets).unwrap()).unwrap();
        assert!(
            trial.sample_seconds > 0.0 && trial.step_seconds > 0.0,
            "{trial:?}"
        );
    }
}
