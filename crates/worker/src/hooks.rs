//! What this worker does around a step: it says where it is, tells its peers what it was asked for, and has the state
//! copied for a checkpoint.

use crate::error::WorkerError;
use crate::note;
use crate::signals::Signals;
use fratmae_checkpoint::{BackgroundWriter, SharedWeights, State};
use fratmae_control::Phase;
use fratmae_dataset::ManifestCase;
use fratmae_protocol::pb;
use fratmae_telemetry::span;
use fratmae_trainer::{Hooks, Pass, TaskError, TrainError};

/// Around one step.
pub(crate) struct StepHooks<'a> {
    pub(crate) signals: &'a Signals,
    pub(crate) writer: &'a mut BackgroundWriter,
    pub(crate) cases: &'a [ManifestCase],
    pub(crate) generation: u64,
    /// What this rank trains on.
    pub(crate) trained: pb::Trained,
    /// The context of its step's span.
    pub(crate) trace: String,
}

impl Hooks for StepHooks<'_> {
    type Error = WorkerError;

    fn enter(&self, phase: Phase) {
        self.signals.activity.enter(phase);
    }

    fn call(&self, operation: &'static str) {
        self.signals.activity.call(operation);
    }

    fn passed(&self, pass: Pass) {
        self.signals.activity.passed(pass);
    }

    fn note(&self) -> Vec<u8> {
        let request = self.signals.take_requests(self.generation);
        note::encode(request, self.trained.clone(), &self.trace)
    }

    fn case_name(&self, case: u32) -> String {
        let named = self.cases.get(case as usize);
        named.map_or_else(|| format!("case {case}"), |named| named.case_id.clone())
    }

    fn start_copy(
        &mut self,
        state: Option<&mut State>,
        weights: &dyn Fn() -> Result<SharedWeights, TaskError>,
    ) -> Result<(), WorkerError> {
        match state {
            Some(state) => {
                let weights = || weights().map_err(|error| TrainError::Task(error).into());
                self.writer.start_copy(state, weights)
            }
            None => {
                self.writer.begin_step();
                Ok(())
            }
        }
    }

    // The phase that the training thread is in goes on: it waits for a piece of the copy at most.
    fn stop_copy(&mut self, state: &mut State) -> Result<(), WorkerError> {
        let stopped = || self.writer.stop_copy(state);
        let activity = &self.signals.activity;
        Ok(activity.stall(|| span(Phase::Checkpoint).in_scope(stopped))?)
    }

    fn finish_copy(&mut self, state: &State) {
        let finish = || self.writer.finish_copy(state);
        let activity = &self.signals.activity;
        activity.stall(|| span(Phase::Checkpoint).in_scope(finish));
    }
}
