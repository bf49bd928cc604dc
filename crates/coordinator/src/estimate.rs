//! How long a step takes and the rest of the job will: from the first slots that workers time, then from the steps.

use crate::event::RunEvent;
use fratmae_control::WorkerId;
use fratmae_protocol::pb;
use std::collections::{BTreeMap, VecDeque};

/// Steps that the time of a step is the median of.
const RECENT: usize = 9;

/// How far the first step may be from what the first slots promised before it is said again.
const WRONG: f64 = 1.33;

/// A job that takes less than this tells by itself how long it takes.
const SHORT: f64 = 60.0;

/// What is known of the time that steps take.
#[derive(Debug, Default)]
pub(crate) struct Estimate {
    /// Seconds of a step by each worker's own measure.
    paces: BTreeMap<WorkerId, f64>,
    /// Seconds of the last steps.
    recent: VecDeque<f64>,
    /// What was said last.
    reported: Option<f64>,
    has_told_steps: bool,
}

impl Estimate {
    /// Takes in how fast a worker says that it is.
    pub(crate) fn note_pace(&mut self, worker: WorkerId, pace: &pb::Pace) {
        if pace.is_measured && pace.step_ms > 0 {
            self.paces.insert(worker, pace.step_ms as f64 / 1e3);
        }
    }

    /// A worker is gone.
    pub(crate) fn forget(&mut self, worker: WorkerId) {
        self.paces.remove(&worker);
    }

    /// A group begins: its steps may take another time than those of the one before.
    pub(crate) fn begin(&mut self) {
        self.recent.clear();
    }

    /// Takes in what a step took.
    pub(crate) fn note_step(&mut self, seconds: f64) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(seconds);
    }

    /// How long a step takes: the slowest decides, as all wait for it.
    pub(crate) fn step_seconds(&self) -> Option<f64> {
        let mut sorted: Vec<f64> = self.recent.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied();
        median.or_else(|| self.paces.values().copied().max_by(f64::total_cmp))
    }

    /// What is to be said now of the steps that are left: once from the first slots, and once more if the first step shows
    /// that this was wrong.
    pub(crate) fn news(&mut self, steps: u64) -> Option<RunEvent> {
        let step_seconds = self.step_seconds()?;
        let is_from_steps = !self.recent.is_empty();
        let is_news = match self.reported {
            None => true,
            Some(reported) => {
                let ratio = (step_seconds / reported).max(reported / step_seconds);
                is_from_steps && !self.has_told_steps && ratio > WRONG
            }
        };
        self.has_told_steps |= is_from_steps;
        let seconds = step_seconds * steps as f64;
        if !is_news || seconds < SHORT {
            return None;
        }
        self.reported = Some(step_seconds);
        Some(RunEvent::Estimated {
            step_seconds,
            steps,
            seconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(step_ms: u64, is_measured: bool) -> pb::Pace {
        pb::Pace {
            pass_ms: 1,
            step_ms,
            is_measured,
        }
    }

    fn said(step_seconds: f64, steps: u64) -> Option<RunEvent> {
        Some(RunEvent::Estimated {
            step_seconds,
            steps,
            seconds: step_seconds * steps as f64,
        })
    }

    #[test]
    fn the_slowest_worker_decides_until_there_are_steps() {
        let mut estimate = Estimate::default();
        let (one, two) = (WorkerId::new(1), WorkerId::new(2));
        estimate.note_pace(one, &pace(900_000, false));
        assert_eq!(estimate.news(100), None);
        estimate.note_pace(one, &pace(60_000, true));
        estimate.note_pace(two, &pace(75_000, true));
        assert_eq!(estimate.news(100), said(75.0, 100));
        estimate.forget(two);
        assert_eq!(estimate.step_seconds(), Some(60.0));
        assert_eq!(estimate.news(100), None, "it was said");
        for seconds in [80.0, 40.0, 50.0] {
            estimate.note_step(seconds);
        }
        assert_eq!(estimate.step_seconds(), Some(50.0));
    }

    #[test]
    fn a_first_step_that_takes_another_time_is_said_once() {
        let mut estimate = Estimate::default();
        estimate.note_pace(WorkerId::new(1), &pace(60_000, true));
        assert_eq!(estimate.news(100), said(60.0, 100));
        estimate.note_step(100.0);
        assert_eq!(estimate.news(99), said(100.0, 99));
        estimate.note_step(300.0);
        estimate.note_step(300.0);
        assert_eq!(estimate.news(97), None);
    }

    #[test]
    fn of_a_short_job_nothing_is_said() {
        let mut estimate = Estimate::default();
        estimate.note_step(0.5);
        assert_eq!(estimate.news(100), None);
        assert_eq!(estimate.step_seconds(), Some(0.5));
    }
}
