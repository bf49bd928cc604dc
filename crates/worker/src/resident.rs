//! The state of training where it is kept and updated: in the host's memory, or where the model computes.
//!
//! In the host's memory there is one copy of it, which the model, the copying thread and the optimizer pass on to each
//! other. On a device its vectors are never changed: an update makes new ones, and whoever holds the old ones, such as a
//! checkpoint, has them as long as it likes. It never leaves the device but for peers, checkpoints and the last digest.

use crate::error::WorkerError;
use crate::session::Session;
use crate::snapshots::Snapshots;
use fratmae_checkpoint::{Role, State, Vectors};
use fratmae_control::{Phase, Step};
use fratmae_model::{Device, DeviceVector, ModelError, Parameter, UpdateFactors, bit_sum};
use fratmae_telemetry::span;
use std::borrow::Cow;
use std::ops::Range;

/// The state after a step.
pub(crate) enum Resident {
    Host(State),
    Device(Box<DeviceState>),
}

/// A state that lies where the model computes.
#[derive(Debug, Clone)]
pub(crate) struct DeviceState {
    pub(crate) step: Step,
    parameters: DeviceVector,
    first_moment: DeviceVector,
    second_moment: DeviceVector,
    /// One for each parameter that decays, else zero.
    decays: DeviceVector,
}

impl Resident {
    pub(crate) fn step(&self) -> Step {
        match self {
            Self::Host(state) => state.step,
            Self::Device(state) => state.step,
        }
    }

    pub(crate) fn set_step(&mut self, step: Step) {
        match self {
            Self::Host(state) => state.step = step,
            Self::Device(state) => state.step = step,
        }
    }

    /// A sum over the bits of the parameters.
    pub(crate) fn bit_sum(&self) -> Result<u64, ModelError> {
        match self {
            Self::Host(state) => Ok(bit_sum(&state.parameters)),
            Self::Device(state) => state.parameters.bit_sum(),
        }
    }

    /// The parameters in the host's memory.
    pub(crate) fn parameters(&self) -> Result<Cow<'_, [f32]>, ModelError> {
        match self {
            Self::Host(state) => Ok(Cow::Borrowed(&state.parameters)),
            Self::Device(state) => Ok(Cow::Owned(state.parameters.clone().into_vec()?)),
        }
    }
}

impl DeviceState {
    pub(crate) fn new(state: State, layout: &[Parameter], device: &Device) -> Self {
        Self {
            step: state.step,
            parameters: DeviceVector::new(state.parameters, device),
            first_moment: DeviceVector::new(state.first_moment, device),
            second_moment: DeviceVector::new(state.second_moment, device),
            decays: DeviceVector::decays(layout, device),
        }
    }

    /// A copy in the host's memory.
    pub(crate) fn to_host(&self) -> Result<State, ModelError> {
        Ok(State {
            step: self.step,
            parameters: self.parameters.clone().into_vec()?,
            first_moment: self.first_moment.clone().into_vec()?,
            second_moment: self.second_moment.clone().into_vec()?,
        })
    }

    /// Applies an update; the gradient is of the parameters that learn.
    pub(crate) fn update(
        &mut self,
        factors: &UpdateFactors,
        gradient: DeviceVector,
        layout: &[Parameter],
    ) {
        let before = [&self.parameters, &self.first_moment, &self.second_moment];
        let gradient = gradient.spread(layout);
        let after = factors.update_on_device(before.map(Clone::clone), gradient, &self.decays);
        [self.parameters, self.first_moment, self.second_moment] = after;
    }

    /// Holds one parameter within a range.
    pub(crate) fn hold_within(&mut self, at: usize, range: Range<f32>) -> Result<(), ModelError> {
        let before = self.parameters.clone();
        self.parameters = before.with_number(at, |x| x.clamp(range.start, range.end))?;
        Ok(())
    }
}

impl Vectors for DeviceState {
    fn numbers(&self, role: Role, range: Range<usize>) -> Result<Cow<'_, [f32]>, String> {
        let vector = match role {
            Role::Parameters => &self.parameters,
            Role::FirstMoment => &self.first_moment,
            Role::SecondMoment => &self.second_moment,
        };
        let numbers = vector.read(range).map_err(|error| error.to_string())?;
        Ok(Cow::Owned(numbers))
    }
}

impl Session {
    /// Brings a state to where it is kept.
    pub(crate) fn settled(&self, state: Resident) -> Resident {
        match state {
            Resident::Host(state) if self.is_state_on_device => {
                let state = DeviceState::new(state, &self.parameters, &self.device);
                Resident::Device(Box::new(state))
            }
            Resident::Host(state) => {
                let (parameters, moment) = (state.parameters.as_ptr(), state.first_moment.as_ptr());
                tracing::debug!(
                    process = std::process::id(),
                    ?parameters,
                    ?moment,
                    "training"
                );
                Resident::Host(state)
            }
            Resident::Device(state) => Resident::Device(state),
        }
    }

    /// Puts the weights into the model, and lends the state to the thread that copies it for a checkpoint.
    pub(crate) fn lend_weights(
        &mut self,
        state: &mut Resident,
        snapshots: &mut Snapshots,
    ) -> Result<(), WorkerError> {
        match state {
            Resident::Host(state) => {
                self.model.hold(std::mem::take(&mut state.parameters))?;
                snapshots.lend(state, || self.model.lend())
            }
            Resident::Device(state) => {
                snapshots.begin_step();
                Ok(self.model.hold_on_device(&state.parameters)?)
            }
        }
    }

    /// Takes everything back: nobody else holds any of it when this returns.
    pub(crate) fn take_weights_back(
        &mut self,
        state: &mut Resident,
        snapshots: &mut Snapshots,
    ) -> Result<(), WorkerError> {
        match state {
            Resident::Host(state) => {
                let taken = span(Phase::Checkpoint).in_scope(|| snapshots.take_back(state));
                state.parameters = self.model.release()?;
                taken
            }
            // It may keep them until it is given the next ones: they do not change.
            Resident::Device(_) => Ok(()),
        }
    }
}
