//! What a step tells of itself: its figures, the time of its phases, samples that others took the place of.

use super::*;

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

    pub(super) fn figures(&self, gathered: &Gathered, contrast: Option<&Contrast>) -> pb::Figures {
        let SlotFigures { pet, ct } = gathered.figures;
        let reconstruction = gathered.figures.reconstruction();
        let contrastive = contrast.map_or(0.0, |contrast| contrast.loss);
        let [baseline_pet, baseline_ct] = [pet, ct].map(|f| f.baseline().unwrap_or(0.0));
        let both = baseline_pet * pet.samples as f64 + baseline_ct * ct.samples as f64;
        pb::Figures {
            loss: reconstruction + self.config.train.contrastive_weight * contrastive,
            reconstruction,
            pet_reconstruction: pet.mean_squared_error().unwrap_or(0.0),
            ct_reconstruction: ct.mean_squared_error().unwrap_or(0.0),
            contrastive,
            mean_baseline: both / (pet.samples + ct.samples) as f64,
            baseline_pet,
            baseline_ct,
            trained: Some(gathered.trained.clone()),
            ..pb::Figures::default()
        }
    }

    pub(super) fn phases(&self) -> Vec<pb::PhaseSeconds> {
        let phase = |(phase, seconds): (&str, f64)| pb::PhaseSeconds {
            phase: phase.to_owned(),
            seconds,
        };
        phases::ALL
            .into_iter()
            .zip(self.ledger.take().seconds())
            .map(phase)
            .collect()
    }
}
