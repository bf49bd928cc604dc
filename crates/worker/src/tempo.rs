//! What a slot and a step take on this machine: measured from the first slot on, and before that a bound from the size of
//! the job. What follows from it is the coordinator's.

use fratmae_model::DeviceKind;
use fratmae_protocol::pb;
use fratmae_trainer::{Operations, Pass};
use std::time::Duration;

/// Operations in a second of a machine that is slow, and busy with other work beside: a tenth of a core with AVX2, and as
/// small a part of a GPU.
const SLOW_CPU: f64 = 3e9;
const SLOW_GPU: f64 = 3e11;

/// What is known of the passes so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tempo {
    work: Operations,
    /// Operations a second until there is a measurement.
    slow: f64,
    forward: Timed,
    backward: Timed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Timed {
    count: u32,
    total: Duration,
    longest: Duration,
}

impl Timed {
    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.total.as_secs_f64() / f64::from(self.count))
    }
}

impl Tempo {
    /// Before anything was computed on a device of this kind.
    pub(crate) fn of(work: Operations, kind: DeviceKind) -> Self {
        let slow = match kind {
            DeviceKind::Cpu => SLOW_CPU,
            DeviceKind::Cuda { .. } => SLOW_GPU,
        };
        Self {
            work,
            slow,
            ..Self::default()
        }
    }

    /// A slot has been passed.
    pub(crate) fn passed(&mut self, pass: Pass, took: Duration) {
        let timed = match pass {
            Pass::Forward => &mut self.forward,
            Pass::Backward => &mut self.backward,
        };
        timed.count = timed.count.saturating_add(1);
        timed.total += took;
        timed.longest = timed.longest.max(took);
    }

    /// How fast this worker is, with so many slots of a step; none before it knows the job.
    pub(crate) fn pace(&self, n_slots: usize) -> Option<pb::Pace> {
        if self.slow <= 0.0 {
            return None;
        }
        let forward = self.forward.mean().unwrap_or(self.work.forward / self.slow);
        let there_and_back = self.work.backward / self.work.forward;
        let backward = self.backward.mean().unwrap_or(forward * there_and_back);
        let longest = [self.forward.longest, self.backward.longest];
        let longest = longest.map(|longest| longest.as_secs_f64());
        let pass = longest.into_iter().fold(forward.max(backward), f64::max);
        Some(pb::Pace {
            pass_ms: milliseconds(pass),
            step_ms: milliseconds((forward + backward) * n_slots as f64),
            is_measured: self.forward.count > 0,
        })
    }
}

fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1e3).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORK: Operations = Operations {
        forward: 1e12,
        backward: 2e12,
    };

    fn seconds(milliseconds: u64) -> f64 {
        milliseconds as f64 / 1e3
    }

    #[test]
    fn before_the_first_slot_the_size_of_the_job_is_the_bound() {
        let pace = Tempo::of(WORK, DeviceKind::Cpu).pace(4).unwrap();
        assert!(!pace.is_measured);
        let pass = WORK.backward / SLOW_CPU;
        assert!((seconds(pace.pass_ms) - pass).abs() < 0.01);
        let step = 4.0 * (WORK.forward + WORK.backward) / SLOW_CPU;
        assert!((seconds(pace.step_ms) - step).abs() < 0.01);
        let gpu = Tempo::of(WORK, DeviceKind::Cuda { index: 0 }).pace(4);
        assert!(gpu.unwrap().step_ms < pace.step_ms / 50);
    }

    #[test]
    fn the_first_slot_tells_what_a_step_takes_and_later_ones_correct_it() {
        let mut tempo = Tempo::of(WORK, DeviceKind::Cpu);
        tempo.passed(Pass::Forward, Duration::from_secs(3));
        let first = tempo.pace(4).unwrap();
        assert_eq!((first.pass_ms, first.step_ms), (6_000, 36_000));
        assert!(first.is_measured);
        tempo.passed(Pass::Forward, Duration::from_secs(5));
        tempo.passed(Pass::Backward, Duration::from_secs(7));
        let later = tempo.pace(2).unwrap();
        assert_eq!((later.pass_ms, later.step_ms), (7_000, 22_000));
    }

    #[test]
    fn nothing_is_said_before_the_job_is_known() {
        assert_eq!(Tempo::default().pace(4), None);
    }
}
