//! Training by itself: one rank that computes all slots, on batches that are handed to it, without coordinator or store.

use crate::engine::{Engine, StepReport};
use crate::group::Group;
use crate::hooks::Hooks;
use crate::task::Task;
use crate::train_state::TrainState;
use checkpoint::State;
use config::Config;
use control::Step;
use model::{Device, DeviceKind, ModelError};
use std::borrow::Cow;

/// A task that trains by itself, on a CPU.
pub struct Solo<T> {
    engine: Engine<T>,
    state: TrainState,
    group: Group,
}

impl<T: Task> Solo<T> {
    /// Begins a job at step 0 with these flat parameters.
    pub fn new(task: T, weights: Vec<f32>, config: &Config, device: Device) -> Self {
        let engine = Engine::new(task, config, DeviceKind::Cpu, device);
        Self {
            state: engine.place(TrainState::Host(first_state(weights))),
            group: Group::alone(config.train.slots),
            engine,
        }
    }

    /// Applies the next step to a global batch, given slot by slot.
    ///
    /// # Errors
    /// As [`Engine::step`].
    pub fn step<H: Hooks>(
        &mut self,
        batches: Vec<T::Batch>,
        hooks: &mut H,
    ) -> Result<StepReport, H::Error> {
        let (state, group) = (&mut self.state, &mut self.group);
        self.engine.step(state, batches, group, hooks)
    }

    /// The flat parameters after the last step.
    ///
    /// # Errors
    /// The device's.
    pub fn weights(&self) -> Result<Cow<'_, [f32]>, ModelError> {
        self.state.parameters()
    }

    /// The engine, with the gradient of the last step.
    pub const fn engine(&self) -> &Engine<T> {
        &self.engine
    }
}

/// The state before any step.
pub fn first_state(parameters: Vec<f32>) -> State {
    let zeros = vec![0.0; parameters.len()];
    State {
        step: Step::new(0),
        parameters,
        first_moment: zeros.clone(),
        second_moment: zeros,
    }
}
