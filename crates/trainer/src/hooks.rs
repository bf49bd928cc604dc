//! What goes on around a step: a worker says where it is, and copies the state for a checkpoint meanwhile.

use crate::error::TrainError;
use crate::task::TaskError;
use checkpoint::{SharedWeights, State};
use control::Phase;
use telemetry::span;

/// The two passes of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// From samples to messages.
    Forward,
    /// From the loss to the gradient.
    Backward,
}

/// What the engine calls as a step goes on. Nothing has to be done: `()` is a step by itself.
pub trait Hooks {
    /// What a step fails with.
    type Error: From<TrainError>;

    /// A phase begins.
    fn enter(&self, _phase: Phase) {}

    /// A call to the other ranks begins.
    fn call(&self, _operation: &'static str) {}

    /// A slot has made a pass.
    fn passed(&self, _pass: Pass) {}

    /// What every rank receives along with this rank's slots.
    fn note(&self) -> Vec<u8> {
        Vec::new()
    }

    /// The name of a case, by its number.
    fn case_name(&self, case: u32) -> String {
        format!("case {case}")
    }

    /// The step computes from here on: until [`Self::stop_copy`] another thread may have the moments of `state`, whose
    /// parameters are where `weights` says. There is none where the state lies on the device: its vectors never change.
    ///
    /// # Errors
    /// The copying's; the state is then as before.
    fn start_copy(
        &mut self,
        _state: Option<&mut State>,
        _weights: &dyn Fn() -> Result<SharedWeights, TaskError>,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    /// The step has computed: nobody else holds any of the state when this returns.
    ///
    /// # Errors
    /// The copying's.
    fn stop_copy(&mut self, _state: &mut State) -> Result<(), Self::Error> {
        Ok(())
    }

    /// The state is about to change: what is not copied yet is copied now.
    fn finish_copy(&mut self, _state: &State) {}
}

impl Hooks for () {
    type Error = TrainError;
}

/// Does the work of a phase: tells the hooks that it begins, and measures its time.
pub fn in_phase<T>(hooks: &impl Hooks, phase: Phase, work: impl FnOnce() -> T) -> T {
    hooks.enter(phase);
    span(phase).in_scope(work)
}
