//! What there is to draw: a run at one moment, the losses up to it, and what happened.

use fratmae_coordinator::{HistoryRow, RunStatus};
use fratmae_observe::{Snapshot, findings};
use fratmae_telemetry::LOSS;

/// A run as `top` draws it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Scene {
    pub(super) snapshot: Snapshot,
    /// Where its coordinator answers, or did.
    pub(super) coordinator: String,
    /// The loss of each step that was seen, in their order.
    pub(super) losses: Vec<(u64, f64)>,
    /// What is wrong or may be.
    pub(super) findings: Vec<String>,
    /// What happened, a line each, the newest first.
    pub(super) news: Vec<String>,
    /// Why nothing newer is known.
    pub(super) trouble: Option<String>,
}

impl Scene {
    /// From a run's store.
    pub(super) fn of(snapshot: Snapshot, status: &RunStatus, history: &[HistoryRow]) -> Self {
        let losses = history.iter().map(|row| (row.step, row.loss()));
        let news = status.notes.iter().cloned();
        let news = news.chain(status.verdicts.iter().map(|verdict| verdict.line.clone()));
        let mut scene = Self {
            coordinator: status.coordinator.clone(),
            losses: losses.filter(|(_, loss)| loss.is_finite()).collect(),
            news: news.rev().collect(),
            ..Self::default()
        };
        scene.take(snapshot);
        scene
    }

    /// Takes in how the run stands now. After a loss of state the curve goes on from there.
    pub(super) fn take(&mut self, snapshot: Snapshot) {
        self.findings = findings(&snapshot).into_iter().map(|it| it.line).collect();
        let (step, loss) = (snapshot.step, snapshot.metrics.get(LOSS));
        self.losses.retain(|(known, _)| *known <= step);
        let newest = self.losses.last().map_or(0, |(step, _)| *step);
        self.losses
            .extend((loss.is_finite() && step > newest).then_some((step, loss)));
        self.snapshot = snapshot;
        self.trouble = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(step: u64, loss: f64) -> Snapshot {
        Snapshot {
            step,
            metrics: [(LOSS, loss)].into_iter().collect(),
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_step_has_one_loss_also_after_a_rewind() {
        let mut scene = Scene::default();
        for (step, loss) in [
            (1, 0.5),
            (3, 0.4),
            (3, 0.4),
            (5, f64::NAN),
            (2, 0.45),
            (4, 0.3),
        ] {
            scene.take(at(step, loss));
        }
        assert_eq!(scene.losses, [(1, 0.5), (2, 0.45), (4, 0.3)]);
    }
}
