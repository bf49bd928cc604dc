//! The engine, and the state between generations. A generation begins from this rank's own state, its peers', the newest
//! checkpoint or the seed.
//!
//! What a rank holds is replaced only by a whole state that has been verified.

use crate::activity::Activity;
use crate::error::{JobError, WorkerError};
use crate::job::Job;
use crate::session::Links;
use fratmae_checkpoint::{CheckpointId, State, load_manifest, restore_telling};
use fratmae_collective::ProcessGroup;
use fratmae_control::{Assignment, Phase, Source, Step};
use fratmae_model::Parameter;
use fratmae_trainer::{Engine, Task, TrainError, TrainState, first_state, replicate, tensor_specs};

/// What trains, and how far it is.
pub(crate) struct Training<T> {
    pub(crate) engine: Engine<T>,
    /// The state after the last step applied, between generations.
    held: Option<TrainState>,
}

impl<T: Task> Training<T> {
    pub(crate) const fn new(engine: Engine<T>) -> Self {
        Self { engine, held: None }
    }

    /// The step that the state in memory is after.
    pub(crate) fn held_step(&self) -> Option<u64> {
        self.held.as_ref().map(|state| state.step().get())
    }

    /// Makes the state that a generation begins with, where no peer is needed for it.
    pub(crate) fn prepare(
        &mut self,
        source: Source,
        job: &Job,
        links: &Links,
    ) -> Result<(), WorkerError> {
        if !matches!(source, Source::Peers { .. }) {
            self.engine.forget_state();
            links.signals.activity.enter(Phase::Restore);
        }
        match source {
            Source::Initial => {
                let weights = self.engine.task().first_weights();
                self.hold(first_state(weights.map_err(TrainError::Task)?));
            }
            Source::Checkpoint { step, generation } => {
                let id = CheckpointId { step, generation };
                self.hold(self.restored(id, job, links)?);
            }
            Source::Peers { .. } => {}
        }
        Ok(())
    }

    /// Copies the state from the holders' memory to the ranks that are behind; every copy is verified, and a holder makes
    /// sure first that its memory kept what its last step left.
    ///
    /// # Errors
    /// The group's, and what [`replicate`] finds of the holders' states and of the copies.
    pub(crate) fn share(
        &mut self,
        assignment: &Assignment,
        group: &mut dyn ProcessGroup,
        activity: &Activity,
    ) -> Result<(), WorkerError> {
        let Source::Peers { step } = assignment.source else {
            return Ok(());
        };
        let seats = (0..).zip(assignment.seats.iter());
        let holders = seats.filter(|(_, seat)| seat.is_holder);
        let holders: Vec<usize> = holders.map(|(rank, _)| rank).collect();
        let is_holder = holders.contains(&group.rank());
        activity.enter(Phase::Copy);
        let call = |operation| activity.call(operation);
        let own = self.held.as_mut().filter(|own| own.step() == step);
        if let Some(own) = own.as_deref()
            && is_holder
            && holders.len() < group.world_size()
        {
            self.engine.require_unchanged(own, group.rank())?;
        }
        match own {
            Some(_) if holders.len() == group.world_size() => {}
            Some(TrainState::Host(own)) if is_holder => replicate(own, &holders, group, call)?,
            Some(TrainState::Device(own)) if is_holder => {
                let mut own = own.to_host().map_err(TrainError::from)?;
                replicate(&mut own, &holders, group, call)?;
            }
            None if is_holder => return Err(JobError::NoState { step: step.get() }.into()),
            _ => {
                let mut copy = self.empty_state(step);
                replicate(&mut copy, &holders, group, call)?;
                self.hold(copy);
                self.engine.forget_state();
            }
        }
        Ok(())
    }

    /// Takes the state that a generation begins with to where it is trained.
    pub(crate) fn take(&mut self, step: u64) -> Result<TrainState, JobError> {
        let state = self.held.take().filter(|state| state.step().get() == step);
        let state = self.engine.place(state.ok_or(JobError::NoState { step })?);
        if let TrainState::Host(state) = &state {
            let (parameters, moment) = (state.parameters.as_ptr(), state.first_moment.as_ptr());
            tracing::debug!(
                process = std::process::id(),
                ?parameters,
                ?moment,
                "training"
            );
        }
        Ok(state)
    }

    /// Keeps the state for the next generation.
    pub(crate) fn keep(&mut self, state: TrainState) {
        self.held = Some(state);
    }

    /// Drops a state that is of no more use.
    pub(crate) fn forget(&mut self) {
        self.held = None;
        self.engine.forget_state();
    }

    fn hold(&mut self, state: State) {
        self.keep(TrainState::Host(state));
    }

    fn empty_state(&self, step: Step) -> State {
        let length: usize = self.engine.parameters().iter().map(Parameter::len).sum();
        // Memory that is not touched before what belongs there comes.
        let zeros = || vec![0.0; length];
        State {
            step,
            parameters: zeros(),
            first_moment: zeros(),
            second_moment: zeros(),
        }
    }

    fn restored(&self, id: CheckpointId, job: &Job, links: &Links) -> Result<State, WorkerError> {
        let tensors = tensor_specs(self.engine.parameters());
        let restored = async {
            let manifest = load_manifest(&job.run, id).await?;
            let progress = || links.signals.activity.advance(Phase::Restore);
            restore_telling(&job.run, &manifest, &tensors, progress).await
        };
        match links.runtime.block_on(restored) {
            Err(source) if source.is_damage() => Err(WorkerError::Unrestorable { id, source }),
            outcome => Ok(outcome?),
        }
    }
}
