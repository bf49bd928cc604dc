//! Shows a run that goes on: its events become progress and notes. What happens is the `coordinator` crate's.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use fratmae_config::Config;
use fratmae_coordinator::RunEvent;

use crate::progress::{Progress, Report, StepReport};

// Steps over which the speed is measured: few, so that it follows a worker that comes or goes.
const WINDOW: usize = 10;

/// Shows the events of one run.
pub(crate) struct Watch {
    progress: Progress,
    started: Instant,
    pace: Pace,
    steps: u64,
    batch: u64,
}

impl Watch {
    /// Starts to show the run of `config`; `quiet` shows nothing.
    pub(crate) fn start(config: &Config, quiet: bool) -> Self {
        Self {
            progress: Progress::start("train", quiet),
            started: Instant::now(),
            pace: Pace::default(),
            steps: config.train.steps,
            batch: config.train.batch as u64,
        }
    }

    /// Writes one line that stays.
    fn note(&mut self, text: &str) {
        self.progress.note(text);
    }

    /// Shows one event.
    pub(crate) fn show(&mut self, event: &RunEvent) {
        if let RunEvent::Applied { step, figures } = event {
            let elapsed = self.started.elapsed();
            let samples_per_second = self.pace.steps_per_second(elapsed, *step) * self.batch as f64;
            self.progress.show(&Report::Step(StepReport {
                step: *step,
                steps: self.steps,
                batch: self.batch,
                loss: figures.loss,
                mse: figures.reconstruction,
                samples_per_second,
            }));
        } else {
            lines(event).iter().for_each(|line| self.note(line));
        }
    }
}

/// An event in words; a step has none, it moves the bar.
fn lines(event: &RunEvent) -> Vec<String> {
    match event {
        RunEvent::Warned { line } => vec![format!("warning: {line}")],
        RunEvent::Noted { line } => vec![line.clone()],
        RunEvent::Waiting {
            registered,
            wanted,
            left_s,
            address,
        } => vec![format!(
            "waiting for workers: {registered} of {wanted}, {left_s} s left (coordinator.join_timeout_s); on each machine: \
             fratmae worker --coordinator {address}"
        )],
        RunEvent::Registered {
            name,
            address,
            registered,
        } => vec![format!(
            "{name} registered from {address} ({registered} workers)"
        )],
        RunEvent::StandsBy { name, seats } => {
            vec![format!(
                "{name} stands by: all {seats} seats are taken (--workers)"
            )]
        }
        RunEvent::Serving { address } => vec![format!("coordinator at {address}")],
        RunEvent::Resuming { step, damaged } => {
            let passed = damaged
                .iter()
                .map(|line| format!("passed over a damaged checkpoint: {line}"));
            passed
                .chain([format!("going on from the checkpoint at step {step}")])
                .collect()
        }
        RunEvent::PassedOver { line } => vec![format!("passed over a damaged checkpoint: {line}")],
        RunEvent::Began {
            generation,
            members,
            step,
        } => vec![format!(
            "generation {generation}: {} workers from step {step} ({})",
            members.len(),
            members.join(", ")
        )],
        RunEvent::Applied { .. } => Vec::new(),
        RunEvent::Committed { step } => vec![format!("checkpoint at step {step}")],
        RunEvent::Skipped { step, sample, .. } => vec![format!("step {step}: {sample}")],
        RunEvent::BadBatch { step, batch } => vec![format!("step {step}: {batch}")],
        RunEvent::Restarted { names } => vec![format!("started again: {}", names.join(", "))],
        RunEvent::Refused { name, reason } => vec![format!("{name} is refused: {reason}")],
        RunEvent::Broken { worker, reason } => vec![format!("{worker} reports: {reason}")],
        RunEvent::Left { name } => vec![format!("{name} left as it was asked to")],
        RunEvent::Verdict { verdict } => vec![verdict.line.clone()],
        RunEvent::Exited { line } => vec![line.clone()],
    }
}

/// The speed over the last few steps.
#[derive(Debug, Default)]
struct Pace {
    marks: VecDeque<(Duration, u64)>,
}

impl Pace {
    /// Marks that `step` was applied at `elapsed`, and gives the speed; zero while it is unknown.
    fn steps_per_second(&mut self, elapsed: Duration, step: u64) -> f64 {
        if self.marks.back().is_some_and(|(_, last)| *last >= step) {
            // The run went back to a checkpoint.
            self.marks.clear();
        }
        self.marks.push_back((elapsed, step));
        if self.marks.len() > WINDOW + 1 {
            self.marks.pop_front();
        }
        let first = self.marks.front().copied().unwrap_or((elapsed, step));
        let seconds = elapsed.saturating_sub(first.0).as_secs_f64();
        if seconds > 0.0 {
            (step - first.1) as f64 / seconds
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speeds(marks: &[(u64, u64)]) -> Vec<f64> {
        let mut pace = Pace::default();
        let at = |(second, step): &(u64, u64)| {
            pace.steps_per_second(Duration::from_secs(*second), *step)
        };
        marks.iter().map(at).collect()
    }

    #[test]
    fn the_speed_is_that_of_the_last_steps() {
        assert_eq!(speeds(&[(10, 1), (11, 2), (14, 3)]), [0.0, 1.0, 0.5]);
        let slow_then_fast: Vec<_> = (0..=10)
            .map(|n| (n * 10, n))
            .chain((1..=10).map(|n| (100 + n, 10 + n)))
            .collect();
        assert_eq!(speeds(&slow_then_fast).last(), Some(&1.0));
    }

    #[test]
    fn a_run_that_goes_back_starts_to_measure_anew() {
        assert_eq!(
            speeds(&[(0, 5), (1, 6), (9, 4), (10, 5)]),
            [0.0, 1.0, 0.0, 1.0]
        );
    }

    #[test]
    fn steps_in_the_same_moment_have_no_speed() {
        assert_eq!(speeds(&[(3, 1), (3, 2)]), [0.0, 0.0]);
    }

    #[test]
    fn events_become_lines_and_damage_is_named() {
        let resuming = RunEvent::Resuming {
            step: 20,
            damaged: vec!["step 40: part-00000 differs".to_owned()],
        };
        assert_eq!(
            lines(&resuming),
            [
                "passed over a damaged checkpoint: step 40: part-00000 differs",
                "going on from the checkpoint at step 20"
            ]
        );
        let began = RunEvent::Began {
            generation: 2,
            members: vec!["a".to_owned(), "b".to_owned()],
            step: 20,
        };
        assert_eq!(
            lines(&began),
            ["generation 2: 2 workers from step 20 (a, b)"]
        );
        assert!(
            lines(&RunEvent::Applied {
                step: 1,
                figures: Default::default()
            })
            .is_empty()
        );
    }
}
