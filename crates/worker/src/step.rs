//! One training step, from top to bottom: load, forward, gather, backward, reduce, optimize.
//!
//! Nothing in it depends on how many ranks there are: each slot is computed by itself, embeddings are
//! gathered in slot order, gradients are summed in the slot tree, and the update is a function of the step.

mod told;

use crate::error::WorkerError;
use crate::exchange::{Gathered, SlotShare, Wishes, decode, encode};
use crate::gradient::{Check, Sums};
use crate::group::Group;
use crate::integrity::compare;
use crate::metrics::reported;
use crate::resident::Resident;
use crate::schedule::learning_rate;
use crate::session::Session;
use crate::snapshots::Snapshots;
use crate::tempo::Pass;
use fratmae_control::Phase;
use fratmae_dataset::Stack;
use fratmae_model::{
    Contrast, DeviceKind, SlotBatch, SlotFigures, SlotForward, SlotStart, contrast,
};
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_telemetry::span;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// The limits between which the log of the inverse temperature is held (as CLIP does): 0 and ln 100.
pub(crate) const LOGIT_SCALE: Range<f32> = 0.0..4.605_170_2;

/// What one step came to; the same on every rank.
pub(crate) struct StepReport {
    pub(crate) step: u64,
    pub(crate) figures: pb::Figures,
    /// What all do after it.
    pub(crate) wishes: Wishes,
}

/// What a step has before gradients are exchanged.
pub(crate) struct Computed {
    /// None if the loss is not finite.
    pub(crate) sums: Option<Sums>,
    pub(crate) contrast: Option<Contrast>,
    figures: pb::Figures,
    wishes: Wishes,
    /// This rank's slots, and whether their gradients are finite.
    pub(crate) checks: Vec<(usize, Check)>,
}

/// A slot between its forward and its backward pass.
pub(crate) struct OpenSlot {
    pub(crate) forward: SlotForward,
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
        state: &mut Resident,
        group: &mut Group,
        snapshots: &mut Snapshots,
    ) -> Result<StepReport, WorkerError> {
        let started = Instant::now();
        let step = state.step().next();
        let shared = Arc::clone(&self.shared);
        let activity = &shared.activity;
        activity.step(step.get());
        activity.enter(Phase::Load);
        let stacks = span(Phase::Load).in_scope(|| self.load(step.get(), group))?;
        let before = self.sum_before(state)?;
        self.lend_weights(state, snapshots)?;
        let computed = self.compute(step.get(), &stacks, group, before);
        // Whatever came of it: a group that breaks must not take the weights along.
        self.take_weights_back(state, snapshots)?;
        let mut computed = computed?;
        self.require_unchanged(before, state, group.process.rank())?;
        let gradient = self.reduce(step.get(), &mut computed, group)?;
        let rate = learning_rate(&self.config.train, step.get());
        if let Resident::Host(state) = &*state {
            span(Phase::Checkpoint).in_scope(|| snapshots.secure(state))?;
        }
        state.set_step(step);
        activity.enter(Phase::Optimizer);
        let norm = gradient.as_ref().map(|gradient| gradient.norm);
        if let Some(gradient) = gradient {
            span(Phase::Optimizer).in_scope(|| self.update(state, gradient, rate))?;
            self.bad_in_a_row = 0;
        }
        self.note_sum(state)?;
        let seconds = started.elapsed().as_secs_f64();
        snapshots.step_took(seconds);
        let mut figures = pb::Figures {
            samples: self.plan.samples_at(step.get()),
            seconds,
            phases: self.phases(),
            ..computed.figures
        };
        let learned = reported([("gradient_norm", norm), ("learning_rate", Some(rate))]);
        figures.metrics.extend(learned);
        Ok(StepReport {
            step: step.get(),
            figures,
            wishes: computed.wishes,
        })
    }

    /// Losses and this rank's part of the gradient of the global batch, at the weights in the model.
    fn compute(
        &mut self,
        step: u64,
        stacks: &[Vec<Stack>],
        group: &mut Group,
        bit_sum: Option<u64>,
    ) -> Result<Computed, WorkerError> {
        let shared = Arc::clone(&self.shared);
        let activity = &shared.activity;
        activity.enter(Phase::Forward);
        let slots = span(Phase::Forward).in_scope(|| self.forward(stacks, group))?;
        activity.enter(Phase::Gather);
        activity.call("all_gather");
        let gathered = span(Phase::Gather).in_scope(|| self.gather(&slots, group, bit_sum))?;
        compare(&gathered.bit_sums, group.process.rank(), step - 1)?;
        activity.enter(Phase::Backward);
        let contrast = self.contrast(&gathered)?;
        let (loss, figures) = self.figures(&gathered, contrast.as_ref());
        let mut checks = Vec::new();
        let sums = if loss.is_finite() {
            let backward = || self.backward(slots, contrast.as_ref(), group, &mut checks);
            Some(span(Phase::Backward).in_scope(backward)?)
        } else {
            self.pass_over("loss", step, &gathered.bad_slots, group)?;
            None
        };
        Ok(Computed {
            sums,
            contrast,
            figures,
            wishes: gathered.wishes,
            checks,
        })
    }

    /// This rank's stacks of the step, slot by slot.
    fn load(&self, step: u64, group: &mut Group) -> Result<Vec<Vec<Stack>>, WorkerError> {
        let mine = group.slots[group.process.rank()].clone();
        let mut next = |slot| {
            let stack = group.loader.next();
            let stack = stack.ok_or(WorkerError::LoaderEnded { step })??;
            self.shared.activity.advance(Phase::Load);
            self.say_skipped(&stack, group.generation, step, slot);
            Ok(stack)
        };
        mine.map(|slot| (0..self.plan.slot_size()).map(|_| next(slot)).collect())
            .collect()
    }

    fn forward(&self, stacks: &[Vec<Stack>], group: &Group) -> Result<Vec<OpenSlot>, WorkerError> {
        // The CPU computes a slot as it is begun, a GPU while the next ones are.
        let is_eager = self.kind == DeviceKind::Cpu;
        let passed = || self.shared.activity.passed(Pass::Forward);
        let start = |slot: &Vec<Stack>| {
            group.require_whole()?;
            let started = self.start_slot(slot)?;
            if is_eager {
                passed();
            }
            Ok(started)
        };
        let started: Vec<_> = stacks
            .iter()
            .map(start)
            .collect::<Result<_, WorkerError>>()?;
        let finish = |(start, stacks): (SlotStart, &Vec<Stack>)| {
            let finished = finish_slot(start, stacks)?;
            if !is_eager {
                passed();
            }
            Ok(finished)
        };
        started.into_iter().zip(stacks).map(finish).collect()
    }

    /// Has the device begin with a slot.
    fn start_slot(&self, stacks: &[Stack]) -> Result<SlotStart, WorkerError> {
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
        Ok(self.model.start(&batch, &self.device)?)
    }

    /// Hands this rank's embeddings and figures to all, and takes everybody's.
    fn gather(
        &self,
        slots: &[OpenSlot],
        group: &mut Group,
        bit_sum: Option<u64>,
    ) -> Result<Gathered, WorkerError> {
        let shares: Vec<_> = slots.iter().map(|slot| slot.share.clone()).collect();
        let wishes = self.shared.take_wishes(group.generation);
        let message = encode(wishes, bit_sum.unwrap_or_default(), &shares);
        let messages = group.process.all_gather(&message)?;
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
        )?))
    }
}

/// Waits for the device, and reads what all ranks want to know of a slot.
fn finish_slot(start: SlotStart, stacks: &[Stack]) -> Result<OpenSlot, WorkerError> {
    let forward = start.finish()?;
    let (pet, text) = forward.embeddings()?;
    let sentences = stacks.iter().map(|stack| sentence_number(&stack.sentence));
    let share = SlotShare {
        figures: forward.figures,
        pet,
        text,
        sentences: sentences.collect(),
        samples: stacks
            .iter()
            .map(|stack| (stack.sample.position, stack.sample.case))
            .collect(),
    };
    Ok(OpenSlot { forward, share })
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
