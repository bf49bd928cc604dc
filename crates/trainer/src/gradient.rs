//! The gradient of a global batch: summed slot by slot and rank by rank, in the hosts' memory or on the GPUs, and applied.

use crate::bad_batch::is_finite;
use crate::clip::{clip_factor, global_norm};
use crate::device_sum;
use crate::engine::Engine;
use crate::error::TrainError;
use crate::group::Group;
use crate::hooks::{Hooks, Pass};
use crate::task::Task;
use crate::train_state::TrainState;
use checkpoint::State;
use collective::{Addend, OwnSums, SlotSums};
use model::{DeviceKind, DeviceVector};

/// What a rank's own slots add up to.
pub(crate) enum Sums {
    /// In the slot tree, as far as it goes.
    Host(SlotSums),
    /// Where the model computes.
    Device(OwnSums<OnDevice>),
}

/// Whether the gradient of a slot is finite.
pub(crate) enum Check {
    Known(bool),
    /// The sum of its squares, which nobody waits for unless something is wrong.
    Asked(Box<DeviceVector>),
}

/// Some slots by number, and what is known of their gradients.
pub(crate) type Checks = Vec<(usize, Check)>;

/// A slot's gradient where the model computes.
pub(crate) struct OnDevice(DeviceVector);

impl Addend for OnDevice {
    fn plus(self, other: Self) -> Self {
        Self(self.0.plus(other.0))
    }
}

/// The gradient of a global batch, of the parameters that learn.
pub(crate) struct Gradient {
    values: Values,
    pub(crate) norm: f64,
}

enum Values {
    Host(Vec<f32>),
    Device(Box<DeviceVector>),
}

impl<T: Task> Engine<T> {
    /// Whether gradients stay where the model computes: the state is there, and NCCL adds the ranks' or there is one rank.
    fn sums_on_device(&self, group: &Group) -> bool {
        let between_gpus = self.kind != DeviceKind::Cpu && group.process.sums_on_device();
        self.is_state_on_device && (between_gpus || group.process.world_size() == 1)
    }

    /// Runs each slot back by itself and sums the gradients; of each slot it is noted whether its own is finite.
    pub(crate) fn backward(
        &mut self,
        forwards: Vec<T::Forward>,
        global: &T::Global,
        group: &Group,
        hooks: &impl Hooks,
    ) -> Result<(Sums, Checks), TrainError> {
        let mine = group.own_slots();
        let mut sums = match self.sums_on_device(group) {
            true => Sums::Device(OwnSums::new(group.tree, &mine)),
            false => Sums::Host(SlotSums::new(group.tree, mine.clone())),
        };
        let mut checks = Checks::new();
        for (slot, forward) in mine.zip(forwards) {
            group.require_whole()?;
            let check = match &mut sums {
                Sums::Host(sums) => {
                    let spare = std::mem::take(&mut self.spare);
                    let gradient = self.task.backward(forward, slot, global, spare)?;
                    let check = Check::Known(is_finite(&gradient));
                    sums.push(gradient);
                    check
                }
                Sums::Device(sums) => {
                    let (task, device) = (&mut self.task, &self.device);
                    let gradient = task.backward_on_device(forward, slot, global, device)?;
                    let check = Check::Asked(Box::new(gradient.squares()));
                    sums.push(OnDevice(gradient));
                    check
                }
            };
            checks.push((slot, check));
            hooks.passed(Pass::Backward);
        }
        Ok((sums, checks))
    }

    /// The sum over all ranks, and its norm. What the global part adds is of the whole batch and known to every rank: it
    /// is added once, after the sum.
    pub(crate) fn total(
        &self,
        sums: Sums,
        global: &T::Global,
        group: &mut Group,
    ) -> Result<Gradient, TrainError> {
        let added = self.task.global_gradient(global);
        let process = group.process.as_mut();
        match sums {
            Sums::Host(sums) => {
                let mut values = process.all_reduce(sums)?;
                for (at, number) in added {
                    values[at] += number;
                }
                let norm = global_norm(&values);
                let values = Values::Host(values);
                Ok(Gradient { values, norm })
            }
            Sums::Device(sums) => {
                let n = self.parameters().iter().map(|p| p.gradient.len()).sum();
                let nothing = || OnDevice(DeviceVector::zeros(n, &self.device));
                let OnDevice(mut values) = sums.into_sum().unwrap_or_else(nothing);
                device_sum::all_reduce(&values, process)?;
                for (at, number) in added {
                    values = values.with_number(at, |g| g + number)?;
                }
                let norm = device_sum::agreed_norm(&values, process)?;
                let values = Values::Device(Box::new(values));
                Ok(Gradient { values, norm })
            }
        }
    }

    /// Applies a gradient to the state, which is that of its step already.
    pub(crate) fn update(
        &mut self,
        state: &mut TrainState,
        gradient: Gradient,
        rate: f64,
    ) -> Result<(), TrainError> {
        let Gradient { values, norm } = gradient;
        let clip = clip_factor(norm, self.train.clip_norm);
        match state {
            TrainState::Host(state) => {
                let values = match values {
                    Values::Host(values) => values,
                    Values::Device(values) => values.into_vec()?,
                };
                self.update_on_host(state, &values, clip, rate);
                self.spare = values;
            }
            TrainState::Device(state) => {
                let values = match values {
                    Values::Host(values) => DeviceVector::new(values, &self.device),
                    Values::Device(values) => *values,
                };
                let factors = self.optimizer.factors(state.step().get(), clip, rate);
                state.update(&factors, values, self.task.parameters());
                for (at, range) in self.task.bounds() {
                    state.clamp(at, range)?;
                }
            }
        }
        Ok(())
    }

    fn update_on_host(&self, state: &mut State, gradient: &[f32], clip: f32, rate: f64) {
        self.optimizer.update(state, gradient, clip, rate);
        for (at, range) in self.task.bounds() {
            let parameter = &mut state.parameters[at];
            *parameter = parameter.clamp(range.start, range.end);
        }
    }
}

/// The slots whose gradient is not finite.
pub(crate) fn bad_slots(checks: &Checks) -> Result<Vec<usize>, TrainError> {
    let mut bad = Vec::new();
    for (slot, check) in checks {
        let is_finite = match check {
            Check::Known(is_finite) => *is_finite,
            Check::Asked(squares) => squares.read(0..1)?.iter().all(|sum| sum.is_finite()),
        };
        if !is_finite {
            bad.push(*slot);
        }
    }
    Ok(bad)
}
