//! The gradient of a global batch: summed slot by slot and rank by rank, in the hosts' memory or on the GPUs.

mod device_sum;

use crate::bad_batch;
use crate::clip::{clip_factor, global_norm};
use crate::error::WorkerError;
use crate::group::Group;
use crate::resident::Resident;
use crate::session::Session;
use crate::step::{Computed, LOGIT_SCALE, OpenSlot};
use crate::tempo::Pass;
use fratmae_checkpoint::State;
use fratmae_collective::{Addend, OwnSums, SlotSums};
use fratmae_control::Phase;
use fratmae_model::{Contrast, DeviceKind, DeviceVector, Parameter};
use fratmae_telemetry::span;
use std::sync::Arc;

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

impl Session {
    /// Whether gradients stay where the model computes: the state is there, and NCCL adds the ranks' or there is one rank.
    fn sums_on_device(&self, group: &Group) -> bool {
        let between_gpus = self.kind != DeviceKind::Cpu && group.process.sums_on_device();
        self.is_state_on_device && (between_gpus || group.process.world_size() == 1)
    }

    /// Runs each slot back by itself and sums the gradients.
    pub(crate) fn backward(
        &mut self,
        slots: Vec<OpenSlot>,
        contrast: Option<&Contrast>,
        group: &Group,
        checks: &mut Vec<(usize, Check)>,
    ) -> Result<Sums, WorkerError> {
        let mine = group.slots[group.process.rank()].clone();
        let mut sums = match self.sums_on_device(group) {
            true => Sums::Device(OwnSums::new(group.tree, &mine)),
            false => Sums::Host(SlotSums::new(group.tree, mine.clone())),
        };
        let weight = 1.0 / self.config.train.batch as f32;
        for (number, slot) in mine.zip(slots) {
            group.require_whole()?;
            let embeddings = contrast.map(|contrast| self.slot_gradients(contrast, number));
            let embeddings = embeddings
                .as_ref()
                .map(|(pet, text)| (pet.as_slice(), text.as_slice()));
            let (model, forward) = (&self.model, slot.forward);
            let check = match &mut sums {
                Sums::Host(sums) => {
                    let spare = std::mem::take(&mut self.spare);
                    let gradient = model.backward(forward, weight, embeddings, spare)?;
                    let check = Check::Known(bad_batch::is_finite(&gradient));
                    sums.push(gradient);
                    check
                }
                Sums::Device(sums) => {
                    let gradient = model.backward_on_device(forward, weight, embeddings)?;
                    let check = Check::Asked(Box::new(gradient.squares()));
                    sums.push(OnDevice(gradient));
                    check
                }
            };
            checks.push((number, check));
            self.shared.activity.passed(Pass::Backward);
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

    /// The gradient of the global batch; none for a batch that is passed over.
    pub(crate) fn reduce(
        &mut self,
        step: u64,
        computed: &mut Computed,
        group: &mut Group,
    ) -> Result<Option<Gradient>, WorkerError> {
        let Some(sums) = computed.sums.take() else {
            return Ok(None);
        };
        let shared = Arc::clone(&self.shared);
        shared.activity.enter(Phase::Reduce);
        shared.activity.call("all_reduce");
        let gradient =
            span(Phase::Reduce).in_scope(|| self.total(sums, computed.contrast.as_ref(), group))?;
        if gradient.norm.is_finite() {
            return Ok(Some(gradient));
        }
        // The same on every rank, so every rank makes this call.
        shared.activity.call("all_gather");
        let bad_slots = bad_slots(&computed.checks)?;
        let told = group.process.all_gather(&bad_batch::encode(&bad_slots))?;
        self.pass_over("gradient", step, &bad_batch::decode(&told), group)?;
        Ok(None)
    }

    /// The sum over all ranks, and its norm. The temperature's gradient is of the whole batch and known to every rank:
    /// it is added once, after the sum.
    fn total(
        &self,
        sums: Sums,
        contrast: Option<&Contrast>,
        group: &mut Group,
    ) -> Result<Gradient, WorkerError> {
        let weight = self.config.train.contrastive_weight as f32;
        let of_scale = self.logit_scale().zip(contrast).map(|(scale, contrast)| {
            let slope = contrast.logit_scale_gradient * weight;
            (scale.gradient.start, slope)
        });
        match sums {
            Sums::Host(sums) => {
                let mut values = group.process.all_reduce(sums)?;
                if let Some((at, slope)) = of_scale {
                    values[at] += slope;
                }
                let norm = global_norm(&values);
                let values = Values::Host(values);
                Ok(Gradient { values, norm })
            }
            Sums::Device(sums) => {
                let n = self.parameters.iter().map(|p| p.gradient.len()).sum();
                let nothing = || OnDevice(DeviceVector::zeros(n, &self.device));
                let OnDevice(mut values) = sums.into_sum().unwrap_or_else(nothing);
                device_sum::all_reduce(&values, group.process.as_mut())?;
                if let Some((at, slope)) = of_scale {
                    values = values.with_number(at, |g| g + slope)?;
                }
                let norm = device_sum::agreed_norm(&values, group.process.as_mut())?;
                let values = Values::Device(Box::new(values));
                Ok(Gradient { values, norm })
            }
        }
    }

    /// Applies a gradient to the state, which is that of its step already.
    pub(crate) fn update(
        &mut self,
        state: &mut Resident,
        gradient: Gradient,
        rate: f64,
    ) -> Result<(), WorkerError> {
        let Gradient { values, norm } = gradient;
        let clip = clip_factor(norm, self.config.train.clip_norm);
        match state {
            Resident::Host(state) => {
                let values = match values {
                    Values::Host(values) => values,
                    Values::Device(values) => values.into_vec()?,
                };
                self.update_on_host(state, &values, clip, rate);
                self.spare = values;
            }
            Resident::Device(state) => {
                let values = match values {
                    Values::Host(values) => DeviceVector::new(values, &self.device),
                    Values::Device(values) => *values,
                };
                let factors = self.optimizer.factors(state.step.get(), clip, rate);
                state.update(&factors, values, &self.parameters);
                if let Some(scale) = self.logit_scale() {
                    state.hold_within(scale.offset, LOGIT_SCALE)?;
                }
            }
        }
        Ok(())
    }

    fn update_on_host(&self, state: &mut State, gradient: &[f32], clip: f32, rate: f64) {
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
}

/// The slots whose gradient is not finite.
fn bad_slots(checks: &[(usize, Check)]) -> Result<Vec<usize>, WorkerError> {
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
