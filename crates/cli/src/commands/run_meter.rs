//! How long the steps of a run take, and how long it takes to recover: what a coordinator tells as events, as histograms.

use std::time::Instant;

use fratmae_coordinator::RunEvent;
use fratmae_exporters::Histograms;
use fratmae_exporters::table::{RECOVERY_DURATION, STEP_DURATION};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Measures one run.
pub(crate) struct RunMeter {
    histograms: Histograms,
    /// When the last step was applied.
    applied: Option<Instant>,
    /// When the last step of a group was applied whose successor has not applied one yet.
    broken: Option<Instant>,
}

impl RunMeter {
    /// Measures into `histograms`.
    pub(crate) const fn new(histograms: Histograms) -> Self {
        Self {
            histograms,
            applied: None,
            broken: None,
        }
    }

    /// Follows the events until there are no more; those that it misses are not measured.
    pub(crate) async fn follow(mut self, mut events: Receiver<RunEvent>) {
        loop {
            match events.recv().await {
                Ok(event) => self.note(&event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn note(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Began { .. } => self.broken = self.applied,
            RunEvent::Applied { seconds, .. } => {
                self.histograms.add(&STEP_DURATION, &[], *seconds);
                if let Some(broken) = self.broken.take() {
                    let seconds = broken.elapsed().as_secs_f64();
                    self.histograms.add(&RECOVERY_DURATION, &[], seconds);
                }
                self.applied = Some(Instant::now());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_exporters::Format;
    use fratmae_telemetry::Metrics;

    fn applied(step: u64) -> RunEvent {
        RunEvent::Applied {
            step,
            steps: 100,
            samples: 8 * step,
            seconds: 0.5,
            samples_per_second: 16.0,
            metrics: Metrics::default(),
        }
    }

    fn began(generation: u64, step: u64) -> RunEvent {
        RunEvent::Began {
            generation,
            step,
            steps: 100,
            members: Vec::new(),
        }
    }

    #[test]
    fn every_step_is_measured_and_the_first_of_a_later_group_is_a_recovery() {
        let histograms = Histograms::default();
        let mut meter = RunMeter::new(histograms.clone());
        meter.note(&began(1, 0));
        [1, 2, 3].map(|step| meter.note(&applied(step)));
        meter.note(&began(2, 2));
        [3, 4].map(|step| meter.note(&applied(step)));
        let text = Format::Text.write(&histograms.read());
        for line in [
            "fratmae_step_duration_seconds_count 5",
            "fratmae_recovery_duration_seconds_count 1",
        ] {
            assert!(
                text.lines().any(|written| written == line),
                "{line} in\n{text}"
            );
        }
    }
}
