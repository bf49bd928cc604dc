//! What a step tells of itself: its figures, the time of its phases, samples that others took the place of.

use super::*;
use crate::metrics::reported;
use fratmae_telemetry::LOSS;

impl Session {
    /// Says which damaged samples a stack stands for.
    pub(super) fn say_skipped(&self, stack: &Stack, generation: u64, step: u64, slot: usize) {
        for skipped in &stack.skipped {
            self.outbox.state(From::Skipped(pb::Skipped {
                generation,
                step,
                slot: u32::try_from(slot).unwrap_or(u32::MAX),
                case_id: skipped.case_id.clone(),
                shard: skipped.shard.clone(),
                row_group: skipped.row_group,
                slice: skipped.slice,
                offset: skipped.offset,
                replacement: stack.case_id.clone(),
            }));
        }
    }

    /// The loss of the global batch, and what else is known before its gradient.
    pub(super) fn figures(
        &self,
        gathered: &Gathered,
        contrast: Option<&Contrast>,
    ) -> (f64, pb::Figures) {
        let SlotFigures { pet, ct } = gathered.figures;
        let reconstruction = gathered.figures.reconstruction();
        let contrastive = contrast.map(|contrast| contrast.loss);
        let weighted = self.config.train.contrastive_weight * contrastive.unwrap_or(0.0);
        let loss = reconstruction + weighted;
        let [pet_mean, ct_mean] = [pet, ct].map(|f| f.baseline().unwrap_or(0.0));
        let both = pet_mean * pet.samples as f64 + ct_mean * ct.samples as f64;
        let metrics = reported([
            (LOSS, Some(loss)),
            ("reconstruction", Some(reconstruction)),
            ("pet_reconstruction", pet.mean_squared_error()),
            ("ct_reconstruction", ct.mean_squared_error()),
            ("contrastive", contrastive),
            (
                "mean_baseline",
                Some(both / (pet.samples + ct.samples) as f64),
            ),
            ("baseline_pet", pet.baseline()),
            ("baseline_ct", ct.baseline()),
        ]);
        let figures = pb::Figures {
            metrics: metrics.into(),
            trained: Some(gathered.trained.clone()),
            ..pb::Figures::default()
        };
        (loss, figures)
    }

    pub(super) fn phases(&self) -> Vec<pb::PhaseSeconds> {
        let phase = |(phase, seconds): (Phase, f64)| pb::PhaseSeconds {
            phase: phase.name().to_owned(),
            seconds,
        };
        self.ledger.take().into_iter().map(phase).collect()
    }
}
