//! Shows a run: its events become progress and notes. What happens is the `coordinator` crate's.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use fratmae_config::Config;
use fratmae_coordinator::RunEvent;
use fratmae_pretrain::METRICS;
use fratmae_telemetry::{LOSS, MetricKind, Metrics};

use crate::progress::{Progress, Report, StepReport};
use crate::table::counted;

// Steps over which the speed is measured: few, so that it follows a worker that comes or goes.
const WINDOW: usize = 10;

/// Shows the events of one run.
pub(crate) struct RunProgress {
    progress: Progress,
    started: Instant,
    pace: Pace,
    steps: u64,
    batch: u64,
    /// The step after which the run stops, once it was asked to.
    last: Option<u64>,
}

impl RunProgress {
    /// Starts to show the run of `config`; `quiet` shows nothing.
    pub(crate) fn start(config: &Config, quiet: bool) -> Self {
        Self {
            progress: Progress::start("train", quiet),
            started: Instant::now(),
            pace: Pace::default(),
            steps: config.train.steps,
            batch: config.train.batch as u64,
            last: None,
        }
    }

    /// Writes one line that stays.
    pub(crate) fn note(&mut self, text: &str) {
        self.progress.note(text);
    }

    /// Shows one event.
    pub(crate) fn show(&mut self, event: &RunEvent) {
        if let RunEvent::Applied {
            step,
            metrics,
            samples_per_second,
            ..
        } = event
        {
            let elapsed = self.started.elapsed();
            let pace = self.pace.steps_per_second(elapsed, *step) * self.batch as f64;
            // Of the first step only its own time is known.
            let samples_per_second = match pace > 0.0 {
                true => pace,
                false => *samples_per_second,
            };
            self.progress.show(&Report::Step(StepReport {
                step: *step,
                steps: self.steps,
                batch: self.batch,
                losses: losses(metrics, self.batch),
                samples_per_second,
            }));
            if self.last.take_if(|last| *last <= *step).is_some() {
                self.note(&format!("step {step} is done; saving its checkpoint"));
            }
        } else {
            if let RunEvent::Stopping { after_step, .. } = event {
                self.last = *after_step;
            }
            lines(event).iter().for_each(|line| self.note(line));
        }
    }
}

/// The losses of a step, each beside what guessing gives; those that the job does not have are left out.
fn losses(metrics: &Metrics, batch: u64) -> Vec<String> {
    let losses = METRICS.iter().filter(|it| it.kind == MetricKind::Loss);
    let shown = losses.filter_map(|metric| {
        let (name, value) = (metric.name, metrics.get(metric.name));
        let chance = metric.chance.map(|chance| chance(batch));
        let chance = chance.map_or(String::new(), |chance| format!(" (chance {chance:.4})"));
        (name == LOSS || !value.is_nan()).then(|| format!("{name} {value:.4}{chance}"))
    });
    shown.collect()
}

/// An event in words; a step has none, it moves the bar.
fn lines(event: &RunEvent) -> Vec<String> {
    match event {
        RunEvent::Warned { warning } => vec![format!("warning: {warning}")],
        RunEvent::Noted { note } => vec![note.clone()],
        RunEvent::Serving { address } => vec![format!("coordinator at {address}")],
        RunEvent::Resuming { step, damaged, .. } => {
            let passed = damaged
                .iter()
                .map(|line| format!("skipped a damaged checkpoint: {line}"));
            passed
                .chain([format!("resuming from the checkpoint at step {step}")])
                .collect()
        }
        RunEvent::PassedOver { line } => vec![format!("skipped a damaged checkpoint: {line}")],
        RunEvent::Began {
            generation,
            members,
            step,
            ..
        } => vec![format!(
            "generation {generation}: {} from step {step} ({})",
            counted(members.len(), "worker"),
            members.join(", ")
        )],
        // The end of a run has a screen of its own.
        RunEvent::Applied { .. } | RunEvent::Finished { .. } => Vec::new(),
        RunEvent::Waiting { .. }
        | RunEvent::Registered { .. }
        | RunEvent::StandsBy { .. }
        | RunEvent::Estimated { .. }
        | RunEvent::Stopping { .. } => waits(event).into_iter().collect(),
        RunEvent::Committed { step } => vec![format!("checkpoint at step {step}")],
        RunEvent::Skipped { step, sample, .. } => vec![format!("step {step}: {sample}")],
        RunEvent::BadBatch { step, batch } => vec![format!("step {step}: {batch}")],
        RunEvent::Restarted { names } => vec![format!("restarted: {}", names.join(", "))],
        RunEvent::Refused { name, reason } => vec![format!("{name} was rejected: {reason}")],
        RunEvent::Broken { worker, reason } => vec![format!("{worker} reports: {reason}")],
        RunEvent::Gone { name, reason } => vec![format!("{name} is gone: {reason}")],
        RunEvent::Left { name } => vec![format!("{name} left (requested)")],
        RunEvent::Verdict { verdict } => vec![verdict.line.clone()],
        RunEvent::Exited { line } => vec![line.clone()],
    }
}

/// What is waited for, and how long; none for any other event.
fn waits(event: &RunEvent) -> Option<String> {
    match event {
        RunEvent::Waiting {
            registered,
            wanted,
            left_s,
            address,
        } => Some(format!(
            "waiting for workers: {registered} of {wanted}, {left_s} s left (coordinator.join_timeout_s); on each machine: \
             fratmae worker --coordinator {address}"
        )),
        RunEvent::Registered {
            name,
            address,
            registered,
        } => Some(format!(
            "{name} registered from {address} ({})",
            counted(*registered, "worker")
        )),
        RunEvent::StandsBy { name, seats } => Some(format!(
            "{name} stands by: no seat is free (--workers {seats})"
        )),
        RunEvent::Estimated {
            step_seconds,
            steps,
            seconds,
        } => Some(format!(
            "one step takes about {} here; {} steps about {}",
            about(*step_seconds),
            grouped(*steps),
            about(*seconds)
        )),
        RunEvent::Stopping {
            after_step,
            seconds,
        } => {
            let after = after_step.map_or(String::new(), |step| format!(" after step {step}"));
            let time = seconds.map_or(String::new(), |s| format!(" (about {})", about(s.max(1.0))));
            Some(format!(
                "stopping{after}{time}; press Ctrl-C again to stop now"
            ))
        }
        _ => None,
    }
}

/// A length of time as people say it, in two figures at most from a minute on.
pub(crate) fn about(seconds: f64) -> String {
    const UNITS: [(f64, f64, &str); 4] = [
        (2.0 * 86_400.0, 86_400.0, "days"),
        (2.0 * 3_600.0, 3_600.0, "hours"),
        (120.0, 60.0, "min"),
        (10.0, 1.0, "s"),
    ];
    let unit = UNITS.into_iter().find(|(least, ..)| seconds >= *least);
    match unit {
        Some((_, unit, name)) => format!("{:.0} {name}", seconds / unit),
        None => format!("{seconds:.1} s"),
    }
}

/// A number with its thousands set apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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
    fn lengths_of_time_are_said_in_the_unit_that_fits() {
        for (seconds, said) in [
            (0.25, "0.2 s"),
            (9.96, "10.0 s"),
            (75.4, "75 s"),
            (119.0, "119 s"),
            (600.0, "10 min"),
            (20_000.0, "6 hours"),
            (1_211_250.0, "14 days"),
        ] {
            assert_eq!(about(seconds), said);
        }
    }

    #[test]
    fn a_job_that_takes_long_says_so_and_a_stop_says_when_it_comes() {
        let estimated = RunEvent::Estimated {
            step_seconds: 75.0,
            steps: 16_150,
            seconds: 1_211_250.0,
        };
        assert_eq!(
            lines(&estimated),
            ["one step takes about 75 s here; 16,150 steps about 14 days"]
        );
        let stopping = |after_step, seconds| {
            lines(&RunEvent::Stopping {
                after_step,
                seconds,
            })
        };
        assert_eq!(
            stopping(Some(41), Some(75.0)),
            ["stopping after step 41 (about 75 s); press Ctrl-C again to stop now"]
        );
        assert_eq!(
            stopping(None, None),
            ["stopping; press Ctrl-C again to stop now"]
        );
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
            steps: 50,
            damaged: vec!["step 40: part-00000 differs".to_owned()],
        };
        assert_eq!(
            lines(&resuming),
            [
                "skipped a damaged checkpoint: step 40: part-00000 differs",
                "resuming from the checkpoint at step 20"
            ]
        );
        let began = RunEvent::Began {
            generation: 2,
            members: vec!["a".to_owned(), "b".to_owned()],
            step: 20,
            steps: 50,
        };
        assert_eq!(
            lines(&began),
            ["generation 2: 2 workers from step 20 (a, b)"]
        );
    }

    #[test]
    fn a_step_shows_the_losses_that_the_job_has() {
        let all = [
            ("loss", 2.10234),
            ("reconstruction", 0.02286),
            ("contrastive", 2.0794),
            ("learning_rate", 0.5),
        ];
        let shown = |metrics: &[(&str, f64)]| losses(&metrics.iter().copied().collect(), 8);
        assert_eq!(
            shown(&all),
            [
                "loss 2.1023",
                "reconstruction 0.0229",
                "contrastive 2.0794 (chance 2.0794)"
            ]
        );
        assert_eq!(shown(&all[..2]), ["loss 2.1023", "reconstruction 0.0229"]);
        assert_eq!(shown(&[("loss", f64::NAN)]), ["loss NaN"]);
    }
}
