//! A worker's step: it loads its samples, has the engine apply the step, and reports the outcome.

use crate::error::{ProcessError, WorkerError};
use crate::group::Seated;
use crate::hooks::StepHooks;
use crate::note::{self, GroupRequest, Notes};
use crate::outbox::Outbox;
use crate::session::Session;
use fratmae_checkpoint::BackgroundWriter;
use fratmae_control::Phase;
use fratmae_dataset::Stack;
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_telemetry::{Metrics, StepTime, carried, link};
use fratmae_trainer::{BadBatch, Task, TrainState, in_phase};
use std::time::Instant;

impl<T: Task> Session<T> {
    /// Applies the next step to `state`, reports it, and returns what the ranks were asked for and how long it took this one.
    ///
    /// # Errors
    /// A failed group leaves the state as it was before the step; so does everything else but a failing device.
    pub(crate) fn step(
        &mut self,
        state: &mut TrainState,
        seated: &mut Seated,
        writer: &mut BackgroundWriter,
    ) -> Result<(GroupRequest, StepTime), WorkerError> {
        let started = Instant::now();
        let step = state.step().next().get();
        let traced = self.trace.step(step).entered();
        self.links.signals.activity.step(step);
        let mut hooks = StepHooks {
            signals: &self.links.signals,
            writer,
            cases: &self.job.data.manifest.cases,
            generation: seated.generation,
            trained: pb::Trained::default(),
            trace: carried(&traced),
        };
        let (batches, trained) = in_phase(&hooks, Phase::Load, || self.load(step, seated))?;
        hooks.trained = trained;
        let (engine, group) = (&mut self.training.engine, &mut seated.group);
        let report = engine.step(state, batches, group, &mut hooks)?;
        let seconds = started.elapsed().as_secs_f64();
        writer.step_took(seconds);
        let Notes {
            request,
            trained,
            traces,
            ..
        } = note::decode(&report.notes)?;
        let rank = group.process.rank();
        let others = (0..).zip(&traces).filter(|(other, _)| *other != rank);
        link(&traced, others.map(|(_, trace)| trace.as_str()));
        let figures = pb::Figures {
            samples: engine.batches().samples_at(step),
            seconds,
            phases: self.links.signals.activity.phases(),
            trained: Some(trained),
            metrics: metrics(&report.metrics),
        };
        send_applied(&self.links.outbox, seated, step, figures, report.bad);
        Ok((request, self.links.signals.activity.end_step()))
    }

    /// This rank's slots of the step, and which samples they are made of.
    fn load(
        &self,
        step: u64,
        seated: &mut Seated,
    ) -> Result<(Vec<T::Batch>, pb::Trained), WorkerError> {
        let (slot_size, links) = (self.training.engine.batches().slot_size(), &self.links);
        let mut trained = pb::Trained::default();
        let mut batches = Vec::new();
        for slot in seated.group.own_slots() {
            let mut stacks = Vec::with_capacity(slot_size);
            for _ in 0..slot_size {
                let stack = seated.loader.next();
                let stack = stack.ok_or(ProcessError::LoaderEnded { step })??;
                links.signals.activity.advance(Phase::Load);
                send_skipped(&links.outbox, &stack, seated.generation, step, slot);
                trained.positions.push(stack.sample.position);
                trained.cases.push(stack.sample.case);
                stacks.push(stack);
            }
            batches.push(T::Batch::from(stacks));
        }
        Ok((batches, trained))
    }
}

/// Reports the damaged samples that a stack replaces.
fn send_skipped(outbox: &Outbox, stack: &Stack, generation: u64, step: u64, slot: usize) {
    for skipped in &stack.skipped {
        outbox.send_durable(From::Skipped(pb::Skipped {
            generation,
            step,
            slot: number(slot),
            case_id: skipped.case_id.clone(),
            shard: skipped.shard.clone(),
            row_group: skipped.row_group,
            slice: skipped.slice,
            offset: skipped.offset,
            replacement: stack.case_id.clone(),
        }));
    }
}

/// Keeps the figures of a step. They are the same on every rank, and rank 0 reports them.
fn send_applied(
    outbox: &Outbox,
    seated: &Seated,
    step: u64,
    figures: pb::Figures,
    bad: Option<BadBatch>,
) {
    let (reports, generation) = (seated.group.process.rank() == 0, seated.generation);
    if let Some(BadBatch { what, slots }) = bad.filter(|_| reports) {
        let slots = slots.into_iter().map(|bad| pb::BadSlot {
            slot: number(bad.slot),
            cases: bad.cases,
        });
        outbox.send_durable(From::BadBatch(pb::BadBatch {
            generation,
            step,
            what: what.to_owned(),
            slots: slots.collect(),
        }));
    }
    let applied = pb::Applied {
        generation,
        step,
        figures: Some(figures),
    };
    outbox.applied(applied, reports);
}

fn number(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}

/// The metrics as the coordinator takes them.
fn metrics(metrics: &Metrics) -> Vec<pb::Metric> {
    let metric = |(name, value): (&str, f64)| pb::Metric {
        name: name.to_owned(),
        value,
    };
    metrics.iter().map(metric).collect()
}
