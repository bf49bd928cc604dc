//! The state of training where it is kept and updated: in the host's memory, or where the model computes.
//!
//! In the host's memory there is one copy of it, which the model, the copying thread and the optimizer pass on to each
//! other. On a device its vectors are never changed: an update makes new ones, and whoever holds the old ones, such as a
//! checkpoint, has them as long as it likes. It never leaves the device but for peers, checkpoints and the last digest.

use checkpoint::{Role, State, Vectors};
use control::Step;
use model::{Device, DeviceVector, ModelError, Parameter, UpdateFactors, bit_sum};
use std::borrow::Cow;
use std::ops::Range;

/// The state after a step.
pub enum TrainState {
    /// In the host's memory.
    Host(State),
    /// Where the model computes.
    Device(Box<DeviceState>),
}

/// A state that lies where the model computes.
#[derive(Debug, Clone)]
pub struct DeviceState {
    step: Step,
    parameters: DeviceVector,
    first_moment: DeviceVector,
    second_moment: DeviceVector,
    /// One for each parameter that decays, else zero.
    decays: DeviceVector,
}

impl TrainState {
    /// The last step applied.
    pub fn step(&self) -> Step {
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
    ///
    /// # Errors
    /// The device's.
    pub fn parameters(&self) -> Result<Cow<'_, [f32]>, ModelError> {
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

    pub(crate) const fn step(&self) -> Step {
        self.step
    }

    pub(crate) const fn parameters(&self) -> &DeviceVector {
        &self.parameters
    }

    /// A copy in the host's memory.
    ///
    /// # Errors
    /// The device's.
    pub fn to_host(&self) -> Result<State, ModelError> {
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

    /// Clamps one parameter to a range.
    pub(crate) fn clamp(&mut self, at: usize, range: Range<f32>) -> Result<(), ModelError> {
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
