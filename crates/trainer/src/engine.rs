//! One training step, from top to bottom: forward, gather, backward, reduce, optimize.
//!
//! Nothing in it depends on how many ranks there are: each slot is computed by itself, messages are gathered in slot
//! order, gradients are summed in the slot tree, and the update is a function of the step.

use crate::bad_batch::{self, BadBatch};
use crate::batches::Batches;
use crate::error::TrainError;
use crate::gradient::{Checks, Gradient, Sums, bad_slots};
use crate::group::Group;
use crate::hooks::{Hooks, Pass, in_phase};
use crate::integrity::{Integrity, compare};
use crate::messages::{Gathered, decode, encode};
use crate::metrics::{GRADIENT_NORM, LEARNING_RATE};
use crate::optimizer::AdamW;
use crate::schedule::learning_rate;
use crate::task::{Samples, Task};
use crate::train_state::{DeviceState, TrainState};
use config::{Config, StatePlace, Train};
use control::{Phase, Step};
use model::{Device, DeviceKind, Parameter};
use std::ops::{Range, RangeInclusive};
use telemetry::{LOSS, Metrics};

/// Trains a task, step by step.
pub struct Engine<T> {
    pub(crate) task: T,
    pub(crate) train: Train,
    pub(crate) optimizer: AdamW,
    pub(crate) device: Device,
    pub(crate) kind: DeviceKind,
    /// Whether the state is kept where the model computes.
    pub(crate) is_state_on_device: bool,
    /// A gradient that was applied, for the next one's memory.
    pub(crate) spare: Vec<f32>,
    batches: Batches,
    integrity: Integrity,
    /// Batches in a row that moved no weight.
    n_bad: u32,
}

/// What one step came to; the same on every rank.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    pub step: u64,
    /// The loss of the global batch before the update, the task's own metrics, the gradient's norm and the learning rate.
    pub metrics: Metrics,
    /// Why no weight was moved, if none was.
    pub bad: Option<BadBatch>,
    /// What each rank's hooks noted, in rank order.
    pub notes: Vec<Vec<u8>>,
}

/// This rank's slots after their forward pass.
struct Forwarded<T: Task> {
    slots: Vec<T::Forward>,
    messages: Vec<T::Message>,
}

/// What a step has before gradients are exchanged.
struct Computed<T: Task> {
    global: T::Global,
    /// None if the loss is not finite; with this rank's slots.
    sums: Option<(Sums, Checks)>,
    bad: Option<BadBatch>,
    notes: Vec<Vec<u8>>,
}

impl<T: Task> Engine<T> {
    /// Makes ready to train a task as a job says, on the device that the task was opened on.
    pub fn new(task: T, config: &Config, kind: DeviceKind, device: Device) -> Self {
        Self {
            optimizer: AdamW::new(&config.train, task.parameters()),
            batches: Batches::new(&config.train),
            integrity: Integrity::new(config.workers.compare_every),
            is_state_on_device: is_on_device(config.workers.state, kind),
            train: config.train.clone(),
            spare: Vec::new(),
            n_bad: 0,
            task,
            device,
            kind,
        }
    }

    /// Goes on from another run's checkpoint: after `step`, which `samples` led to.
    #[must_use]
    pub fn after(self, step: u64, samples: u64) -> Self {
        Self {
            batches: self.batches.after(step, samples),
            ..self
        }
    }

    /// The layout of the flat vectors.
    pub fn parameters(&self) -> &[Parameter] {
        self.task.parameters()
    }

    /// What it trains.
    pub const fn task(&self) -> &T {
        &self.task
    }

    /// The cut of the order of samples.
    pub const fn batches(&self) -> &Batches {
        &self.batches
    }

    /// The samples of a contiguous run of slots, step after step.
    pub fn samples(&self, slots: Range<usize>, steps: RangeInclusive<u64>) -> Samples {
        let order = |first| self.task.samples(first);
        self.batches.samples(order, slots, steps)
    }

    /// The gradient of the last step that was applied, before clipping, if it was summed in the host's memory.
    pub fn last_gradient(&self) -> &[f32] {
        &self.spare
    }

    /// Brings a state to where it is kept.
    pub fn place(&self, state: TrainState) -> TrainState {
        match state {
            TrainState::Host(state) if self.is_state_on_device => {
                let parameters = self.task.parameters();
                let state = DeviceState::new(state, parameters, &self.device);
                TrainState::Device(Box::new(state))
            }
            state => state,
        }
    }

    /// Makes sure that memory kept a state which is handed to peers as the last step left it.
    ///
    /// # Errors
    /// `Corrupted`, or the device's.
    pub fn require_unchanged(&self, state: &TrainState, rank: usize) -> Result<(), TrainError> {
        self.integrity.require_as_noted(state, rank)
    }

    /// The state that comes next is not the one that the last step left.
    pub fn forget_state(&mut self) {
        self.integrity.forget();
    }

    /// Applies the next step to `state`; `batches` are this rank's slots.
    ///
    /// The weights are in the model while the step computes with them and in the state before and after: there is one
    /// copy of them.
    ///
    /// # Errors
    /// A failed group leaves the state as it was before the step; so does everything else but a failing device.
    pub fn step<H: Hooks>(
        &mut self,
        state: &mut TrainState,
        batches: Vec<T::Batch>,
        group: &mut Group,
        hooks: &mut H,
    ) -> Result<StepReport, H::Error> {
        let step = state.step().next();
        let before = self.integrity.sum_before(state)?;
        self.load_weights(state, hooks)?;
        let computed = self.compute(step.get(), batches, group, before, hooks);
        // Whatever came of it: a group that breaks must not take the weights along.
        self.unload_weights(state, hooks)?;
        let mut computed = computed?;
        Integrity::require_unchanged(before, state, group.process.rank())?;
        let gradient = self.reduce(step.get(), &mut computed, group, hooks)?;
        if let TrainState::Host(state) = &*state {
            hooks.finish_copy(state);
        }
        let norm = gradient.as_ref().map(|gradient| gradient.norm);
        let rate = learning_rate(&self.train, step.get());
        in_phase(hooks, Phase::Optimizer, || {
            self.apply(step, gradient, rate, state)
        })?;
        self.integrity.note(state)?;
        Ok(StepReport {
            step: step.get(),
            metrics: metrics::<T>(&computed.global, norm, rate),
            bad: computed.bad,
            notes: computed.notes,
        })
    }

    /// Puts the weights into the model, and lets a thread copy the state for a checkpoint.
    fn load_weights<H: Hooks>(
        &mut self,
        state: &mut TrainState,
        hooks: &mut H,
    ) -> Result<(), H::Error> {
        let (loaded, state) = match state {
            TrainState::Host(state) => {
                let weights = std::mem::take(&mut state.parameters);
                (self.task.load(weights), Some(state))
            }
            TrainState::Device(state) => (self.task.load_on_device(state.parameters()), None),
        };
        loaded.map_err(TrainError::Task)?;
        hooks.start_copy(state, &|| self.task.share())
    }

    /// Takes everything back. A device may keep the weights until it is given the next ones: they do not change.
    fn unload_weights<H: Hooks>(
        &mut self,
        state: &mut TrainState,
        hooks: &mut H,
    ) -> Result<(), H::Error> {
        let TrainState::Host(state) = state else {
            return Ok(());
        };
        let stopped = hooks.stop_copy(state);
        state.parameters = self.task.unload().map_err(TrainError::Task)?;
        stopped
    }

    /// The loss and this rank's part of the gradient of the global batch, at the weights in the model.
    fn compute(
        &mut self,
        step: u64,
        batches: Vec<T::Batch>,
        group: &mut Group,
        bit_sum: Option<u64>,
        hooks: &impl Hooks,
    ) -> Result<Computed<T>, TrainError> {
        let Forwarded { slots, messages } = in_phase(hooks, Phase::Forward, || {
            self.forward(batches, group, hooks)
        })?;
        let gathered: Gathered<T::Message> = in_phase(hooks, Phase::Gather, || {
            hooks.call("all_gather");
            let mine = encode(bit_sum.unwrap_or_default(), hooks.note(), &messages);
            let messages = group.process.all_gather(&mine)?;
            let fault = |message: &T::Message| self.task.message_fault(message);
            decode(&messages, &group.slots, fault)
        })?;
        let sums: Vec<_> = (0..).zip(&gathered.bit_sums).collect();
        compare("parameters", &sums, group.process.rank(), step - 1)?;
        in_phase(hooks, Phase::Backward, || {
            let global = self.task.global(&gathered.slots)?;
            let (sums, bad) = if T::loss(&global).is_finite() {
                (Some(self.backward(slots, &global, group, hooks)?), None)
            } else {
                let slots = gathered.slots.iter().enumerate();
                let slots = slots.filter(|(_, message)| !T::is_finite(message));
                let slots: Vec<_> = slots.map(|(slot, _)| slot).collect();
                (None, Some(self.pass_over("loss", step, &slots, hooks)?))
            };
            Ok(Computed {
                global,
                sums,
                bad,
                notes: gathered.notes,
            })
        })
    }

    fn forward(
        &mut self,
        batches: Vec<T::Batch>,
        group: &Group,
        hooks: &impl Hooks,
    ) -> Result<Forwarded<T>, TrainError> {
        // The CPU computes a slot as it is begun, a GPU while the next ones are.
        let is_eager = self.kind == DeviceKind::Cpu;
        let mut started = Vec::with_capacity(batches.len());
        for batch in batches {
            group.require_whole()?;
            started.push(self.task.start(batch)?);
            if is_eager {
                hooks.passed(Pass::Forward);
            }
        }
        let mut forwarded = Forwarded {
            slots: Vec::new(),
            messages: Vec::new(),
        };
        for started in started {
            let (slot, message) = self.task.finish(started)?;
            forwarded.slots.push(slot);
            forwarded.messages.push(message);
            if !is_eager {
                hooks.passed(Pass::Forward);
            }
        }
        Ok(forwarded)
    }

    /// The gradient of the global batch; none for a batch that moves no weight.
    fn reduce(
        &mut self,
        step: u64,
        computed: &mut Computed<T>,
        group: &mut Group,
        hooks: &impl Hooks,
    ) -> Result<Option<Gradient>, TrainError> {
        let Some((sums, checks)) = computed.sums.take() else {
            return Ok(None);
        };
        let gradient = in_phase(hooks, Phase::Reduce, || {
            hooks.call("all_reduce");
            self.total(sums, &computed.global, group)
        })?;
        if gradient.norm.is_finite() {
            return Ok(Some(gradient));
        }
        // The same on every rank, so every rank makes this call.
        hooks.call("all_gather");
        let mine = bad_batch::encode(&bad_slots(&checks)?);
        let slots = bad_batch::decode(&group.process.all_gather(&mine)?, &group.slots)?;
        computed.bad = Some(self.pass_over("gradient", step, &slots, hooks)?);
        Ok(None)
    }

    fn apply(
        &mut self,
        step: Step,
        gradient: Option<Gradient>,
        rate: f64,
        state: &mut TrainState,
    ) -> Result<(), TrainError> {
        state.set_step(step);
        if let Some(gradient) = gradient {
            self.update(state, gradient, rate)?;
            self.n_bad = 0;
        }
        Ok(())
    }

    /// Takes note of a bad batch, which then moves no weight.
    ///
    /// # Errors
    /// `NotFinite` where the job says so; `Diverging` after too many in a row.
    fn pass_over(
        &mut self,
        what: &'static str,
        step: u64,
        slots: &[usize],
        hooks: &impl Hooks,
    ) -> Result<BadBatch, TrainError> {
        self.n_bad += 1;
        let cases = |slot: &usize| {
            let samples = self.samples(*slot..slot + 1, step..=step);
            samples.map(|s| hooks.case_name(s.case)).collect()
        };
        let cases = slots.iter().map(|slot| (*slot, cases(slot)));
        BadBatch::new(what, cases).tolerated(step, self.train.bad_batch, self.n_bad)
    }
}

fn metrics<T: Task>(global: &T::Global, norm: Option<f64>, rate: f64) -> Metrics {
    let own = T::metrics(global);
    let loss = (LOSS, Some(T::loss(global)));
    let engines = [(GRADIENT_NORM.name, norm), (LEARNING_RATE.name, Some(rate))];
    let all = std::iter::once(loss).chain(own).chain(engines);
    all.map(|(name, value)| (name, value.unwrap_or(f64::NAN)))
        .collect()
}

/// Whether the state is kept where a device of this kind computes.
fn is_on_device(asked: StatePlace, kind: DeviceKind) -> bool {
    match (asked, kind) {
        (StatePlace::Host, _) | (StatePlace::Auto, DeviceKind::Cpu) => false,
        (StatePlace::Device, _) | (StatePlace::Auto, DeviceKind::Cuda { .. }) => true,
    }
}
