//! One training step, from top to bottom: load, forward, gather, backward, reduce, optimize.
//!
//! Nothing in it depends on how many ranks there are: each slot is computed by itself, embeddings are
//! gathered in slot order, gradients are summed in the slot tree, and the update is a function of the step.

use crate::clip::{clip_factor, global_norm};
use crate::error::WorkerError;
use crate::exchange::{Gathered, SlotShare, Wishes, decode, encode};
use crate::schedule::learning_rate;
use crate::session::Session;
use crate::snapshots::Snapshots;
use fratmae_checkpoint::State;
use fratmae_collective::{CollectiveError, ProcessGroup, SlotSums, SlotTree};
use fratmae_dataset::{Loader, Stack};
use fratmae_model::{Contrast, Parameter, SlotBatch, SlotFigures, SlotForward, contrast};
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_telemetry::phases;
use std::ops::Range;
use std::time::Instant;
use tracing::info_span;

/// The limits between which the log of the inverse temperature is held (as CLIP does): 0 and ln 100.
pub(crate) const LOGIT_SCALE: Range<f32> = 0.0..4.605_170_2;

/// This rank's place in the generation that trains.
pub(crate) struct Group {
    pub(crate) process: Box<dyn ProcessGroup>,
    pub(crate) tree: SlotTree,
    /// Slots of every rank; this rank's are at its rank.
    pub(crate) slots: Vec<Range<usize>>,
    pub(crate) generation: u64,
    pub(crate) loader: Loader,
}

impl Group {
    /// Ends a step between two slots once the group is broken off: nothing that follows would be of use.
    fn require_whole(&self) -> Result<(), CollectiveError> {
        if self.process.abort_handle().is_aborted() {
            return Err(CollectiveError::Aborted);
        }
        Ok(())
    }
}

/// What one step came to; the same on every rank.
pub(crate) struct StepReport {
    pub(crate) step: u64,
    pub(crate) figures: pb::Figures,
    /// What all do after it.
    pub(crate) wishes: Wishes,
}

/// What a step has before the weights move.
struct Computed {
    gradient: Vec<f32>,
    figures: pb::Figures,
    wishes: Wishes,
}

/// A slot between its forward and its backward pass.
struct OpenSlot {
    forward: SlotForward,
    share: SlotShare,
}

impl Session {
    /// Applies the next step to `state`.
    ///
    /// The weights are in the model while the step computes with them and in the state before and after: there is one
    /// copy of them.
    ///
    /// # Errors
    /// A failed group leaves the state as it was before the step; so does everything else but a failing device.
    pub(crate) fn step(
        &mut self,
        state: &mut State,
        group: &mut Group,
        snapshots: &mut Snapshots,
    ) -> Result<StepReport, WorkerError> {
        let started = Instant::now();
        let step = state.step.next();
        let stacks = info_span!(phases::LOAD).in_scope(|| self.load(step.get(), group))?;
        if !self.model.lends() {
            snapshots.secure_parameters(state)?;
        }
        self.model.hold(std::mem::take(&mut state.parameters))?;
        snapshots.lend(state, || self.model.lend())?;
        let computed = self.compute(step.get(), &stacks, group);
        // Whatever came of it: a group that breaks must not take the weights along.
        let taken = info_span!(phases::CHECKPOINT).in_scope(|| snapshots.take_back(state));
        state.parameters = self.model.release()?;
        taken?;
        let computed = computed?;
        let norm = global_norm(&computed.gradient);
        self.require_finite("gradient", norm, step.get(), &stacks)?;
        let rate = learning_rate(&self.config.train, step.get());
        info_span!(phases::CHECKPOINT).in_scope(|| snapshots.secure(state))?;
        state.step = step;
        info_span!(phases::OPTIMIZER)
            .in_scope(|| self.update(state, &computed.gradient, norm, rate));
        self.spare = computed.gradient;
        let seconds = started.elapsed().as_secs_f64();
        snapshots.step_took(seconds);
        let figures = pb::Figures {
            gradient_norm: norm,
            learning_rate: rate,
            samples: step.get() * self.config.train.batch as u64,
            seconds,
            phases: self.phases(),
            ..computed.figures
        };
        Ok(StepReport {
            step: step.get(),
            figures,
            wishes: computed.wishes,
        })
    }

    /// The gradient of the global batch at the weights in the model.
    fn compute(
        &mut self,
        step: u64,
        stacks: &[Vec<Stack>],
        group: &mut Group,
    ) -> Result<Computed, WorkerError> {
        let slots = info_span!(phases::FORWARD).in_scope(|| self.forward(stacks, group))?;
        let gathered = info_span!(phases::GATHER).in_scope(|| self.gather(&slots, group))?;
        let contrast = self.contrast(&gathered)?;
        let figures = self.figures(&gathered, contrast.as_ref());
        self.require_finite("loss", figures.loss, step, stacks)?;
        let sums = info_span!(phases::BACKWARD)
            .in_scope(|| self.backward(slots, contrast.as_ref(), group))?;
        let mut gradient =
            info_span!(phases::REDUCE).in_scope(|| group.process.all_reduce(sums))?;
        self.add_logit_scale_gradient(&mut gradient, contrast.as_ref());
        Ok(Computed {
            gradient,
            figures,
            wishes: gathered.wishes,
        })
    }

    /// This rank's stacks of the step, slot by slot.
    fn load(&self, step: u64, group: &mut Group) -> Result<Vec<Vec<Stack>>, WorkerError> {
        let mine = group.slots[group.process.rank()].clone();
        let mut next = |slot| {
            let stack = group.loader.next();
            let stack = stack.ok_or(WorkerError::LoaderEnded { step })??;
            self.say_skipped(&stack, group.generation, step, slot);
            Ok(stack)
        };
        mine.map(|slot| (0..self.plan.slot_size()).map(|_| next(slot)).collect())
            .collect()
    }

    /// Says which damaged samples a stack stands for.
    fn say_skipped(&self, stack: &Stack, generation: u64, step: u64, slot: usize) {
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

    fn forward(&self, stacks: &[Vec<Stack>], group: &Group) -> Result<Vec<OpenSlot>, WorkerError> {
        let forward = |slot: &Vec<Stack>| {
            group.require_whole()?;
            self.forward_slot(slot)
        };
        stacks.iter().map(forward).collect()
    }

    fn forward_slot(&self, stacks: &[Stack]) -> Result<OpenSlot, WorkerError> {
        let samples: Vec<_> = stacks.iter().map(|stack| stack.sample).collect();
        let batch = SlotBatch {
            pet: stacks
                .iter()
                .map(|stack| &stack.pet[..])
                .collect::<Vec<_>>()
                .concat(),
            ct: stacks
                .iter()
                .map(|stack| &stack.ct[..])
                .collect::<Vec<_>>()
                .concat(),
            masks: self.plan.masks(&samples),
            tokens: stacks
                .iter()
                .map(|stack| self.tokenizer.encode(&stack.sentence))
                .collect(),
        };
        let forward = self.model.forward(&batch, &self.device)?;
        let (pet, text) = forward.embeddings()?;
        let share = SlotShare {
            figures: forward.figures,
            pet,
            text,
            sentences: stacks
                .iter()
                .map(|stack| sentence_number(&stack.sentence))
                .collect(),
        };
        Ok(OpenSlot { forward, share })
    }

    /// Hands this rank's embeddings and figures to all, and takes everybody's.
    fn gather(&self, slots: &[OpenSlot], group: &mut Group) -> Result<Gathered, WorkerError> {
        let shares: Vec<_> = slots.iter().map(|slot| slot.share.clone()).collect();
        let messages = group
            .process
            .all_gather(&encode(self.shared.wishes(group.generation), &shares))?;
        let counts: Vec<_> = group.slots.iter().map(Range::len).collect();
        decode(
            &messages,
            &counts,
            self.plan.slot_size(),
            self.config.model.embedding,
        )
    }

    /// InfoNCE over the global batch, computed alike on every rank (design: every rank sees all embeddings).
    fn contrast(&self, gathered: &Gathered) -> Result<Option<Contrast>, WorkerError> {
        let Some(scale) = self.model.logit_scale_value()? else {
            return Ok(None);
        };
        let groups = gathered.sentence_groups();
        Ok(Some(contrast(
            &gathered.pet,
            &gathered.text,
            scale,
            &groups,
            &self.device,
        )?))
    }

    /// Runs each slot back by itself and sums the gradients in the slot tree.
    fn backward(
        &mut self,
        slots: Vec<OpenSlot>,
        contrast: Option<&Contrast>,
        group: &Group,
    ) -> Result<SlotSums, WorkerError> {
        let mine = group.slots[group.process.rank()].clone();
        let mut sums = SlotSums::new(group.tree, mine.clone());
        let weight = 1.0 / self.config.train.batch as f32;
        for (number, slot) in mine.zip(slots) {
            group.require_whole()?;
            let embeddings = contrast.map(|contrast| self.slot_gradients(contrast, number));
            let embeddings = embeddings
                .as_ref()
                .map(|(pet, text)| (pet.as_slice(), text.as_slice()));
            let spare = std::mem::take(&mut self.spare);
            let (model, forward) = (&self.model, slot.forward);
            sums.push(model.backward(forward, weight, embeddings, spare)?);
        }
        Ok(sums)
    }

    /// The weighted contrastive gradients at one slot's embeddings.
    fn slot_gradients(&self, contrast: &Contrast, slot: usize) -> (Vec<f32>, Vec<f32>) {
        let values = self.plan.slot_size() * self.config.model.embedding;
        let weight = self.config.train.contrastive_weight as f32;
        let of = |gradient: &[f32]| {
            gradient[slot * values..][..values]
                .iter()
                .map(|g| g * weight)
                .collect()
        };
        (of(&contrast.pet_gradient), of(&contrast.text_gradient))
    }

    /// The temperature's gradient is of the whole batch and known to every rank: it is added once, after the sum.
    fn add_logit_scale_gradient(&self, gradient: &mut [f32], contrast: Option<&Contrast>) {
        if let (Some(scale), Some(contrast)) = (self.logit_scale(), contrast) {
            gradient[scale.gradient.start] +=
                contrast.logit_scale_gradient * self.config.train.contrastive_weight as f32;
        }
    }

    fn update(&self, state: &mut State, gradient: &[f32], norm: f64, rate: f64) {
        let clip = clip_factor(norm, self.config.train.clip_norm);
        self.optimizer.update(state, gradient, clip, rate);
        if let Some(scale) = self.logit_scale() {
            let scale = &mut state.parameters[scale.offset];
            *scale = scale.clamp(LOGIT_SCALE.start, LOGIT_SCALE.end);
        }
    }

    /// Where the temperature is in the flat vectors; nowhere without the contrastive loss.
    fn logit_scale(&self) -> Option<&Parameter> {
        let mut parameters = self.parameters.iter();
        parameters.find(|parameter| parameter.name == "logit_scale")
    }

    fn figures(&self, gathered: &Gathered, contrast: Option<&Contrast>) -> pb::Figures {
        let SlotFigures { pet, ct } = gathered.figures;
        let reconstruction = gathered.figures.reconstruction();
        let contrastive = contrast.map_or(0.0, |contrast| contrast.loss);
        let baselines = [pet, ct].map(|f| f.baseline().unwrap_or(0.0) * f.samples as f64);
        pb::Figures {
            loss: reconstruction + self.config.train.contrastive_weight * contrastive,
            reconstruction,
            pet_reconstruction: pet.mean_squared_error().unwrap_or(0.0),
            ct_reconstruction: ct.mean_squared_error().unwrap_or(0.0),
            contrastive,
            mean_baseline: baselines.iter().sum::<f64>() / (pet.samples + ct.samples) as f64,
            ..pb::Figures::default()
        }
    }

    /// A number that is not finite is the same on every rank, so every rank stops here.
    fn require_finite(
        &self,
        what: &'static str,
        value: f64,
        step: u64,
        stacks: &[Vec<Stack>],
    ) -> Result<(), WorkerError> {
        if value.is_finite() {
            return Ok(());
        }
        let cases: Vec<_> = stacks
            .iter()
            .flatten()
            .map(|stack| stack.case_id.as_str())
            .collect();
        Err(WorkerError::NotFinite {
            what,
            step,
            cases: cases.join(", "),
        })
    }

    fn phases(&self) -> Vec<pb::PhaseSeconds> {
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

/// Equal for equal sentences, on every host.
fn sentence_number(sentence: &str) -> u64 {
    let digest = blake3::hash(sentence.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_told_apart_by_their_text_alone() {
        assert_eq!(sentence_number("a PET scan"), sentence_number("a PET scan"));
        assert_ne!(sentence_number("a PET scan"), sentence_number("a CT scan"));
    }

    #[test]
    fn the_temperature_is_held_between_one_and_a_hundred() {
        assert!((LOGIT_SCALE.end.exp() - 100.0).abs() < 1e-3);
        assert!((LOGIT_SCALE.start.exp() - 1.0).abs() < 1e-7);
    }
}
