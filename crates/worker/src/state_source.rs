//! Where a generation's state comes from: this rank's own memory, its peers', the newest checkpoint, or the seed.
//!
//! What a rank holds is replaced only by a whole state that has been verified.

use crate::error::WorkerError;
use crate::session::Session;
use fratmae_checkpoint::{CheckpointId, State, load_manifest, restore_telling};
use fratmae_collective::ProcessGroup;
use fratmae_control::{Assignment, Phase, Source, Step};
use fratmae_model::Parameter;
use fratmae_trainer::{Task, TrainError, TrainState, first_state, replicate, tensor_specs};

impl<T: Task> Session<T> {
    /// The step that the state in memory is after.
    pub(crate) fn held_step(&self) -> Option<u64> {
        self.held.as_ref().map(|state| state.step().get())
    }

    /// Makes the state that a generation begins with, where no peer is needed for it.
    pub(crate) fn prepare_state(&mut self, source: Source) -> Result<(), WorkerError> {
        match source {
            Source::Initial => {
                self.engine.forget_state();
                self.shared.activity.enter(Phase::Restore);
                self.held = Some(TrainState::Host(self.initial_state()?));
            }
            Source::Checkpoint { step, generation } => {
                self.engine.forget_state();
                self.shared.activity.enter(Phase::Restore);
                let id = CheckpointId { step, generation };
                self.held = Some(TrainState::Host(self.restored_state(id)?));
            }
            Source::Peers { .. } => {}
        }
        Ok(())
    }

    /// Copies the state from the holders' memory to the ranks that are behind; every copy is verified.
    ///
    /// # Errors
    /// The group's, and `CopyDiffers`: both leave what this rank held. `Diverged` if two holders differ.
    pub(crate) fn share_state(
        &mut self,
        assignment: &Assignment,
        group: &mut dyn ProcessGroup,
    ) -> Result<(), WorkerError> {
        let Source::Peers { step } = assignment.source else {
            return Ok(());
        };
        let seats = (0..).zip(assignment.seats.iter());
        let holders = seats.filter(|(_, seat)| seat.is_holder);
        let holders: Vec<usize> = holders.map(|(rank, _)| rank).collect();
        let is_holder = holders.contains(&group.rank());
        let activity = &self.shared.activity;
        activity.enter(Phase::Copy);
        let call = |operation| activity.call(operation);
        let own = self.held.as_mut().filter(|own| own.step() == step);
        match own {
            Some(_) if holders.len() == group.world_size() => {}
            Some(TrainState::Host(own)) if is_holder => replicate(own, &holders, group, call)?,
            Some(TrainState::Device(own)) if is_holder => {
                let mut own = own.to_host().map_err(TrainError::from)?;
                replicate(&mut own, &holders, group, call)?;
            }
            None if is_holder => return Err(WorkerError::NoState { step: step.get() }),
            _ => {
                let mut copy = self.empty_state(step);
                replicate(&mut copy, &holders, group, call)?;
                self.held = Some(TrainState::Host(copy));
                self.engine.forget_state();
            }
        }
        Ok(())
    }

    /// Brings a state to where it is kept.
    pub(crate) fn placed(&self, state: TrainState) -> TrainState {
        let state = self.engine.place(state);
        if let TrainState::Host(state) = &state {
            let (parameters, moment) = (state.parameters.as_ptr(), state.first_moment.as_ptr());
            tracing::debug!(
                process = std::process::id(),
                ?parameters,
                ?moment,
                "training"
            );
        }
        state
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

    fn initial_state(&self) -> Result<State, WorkerError> {
        let weights = self
            .engine
            .task()
            .first_weights()
            .map_err(TrainError::Task)?;
        Ok(first_state(weights))
    }

    fn restored_state(&self, id: CheckpointId) -> Result<State, WorkerError> {
        let tensors = tensor_specs(self.engine.parameters());
        let restored = async {
            let manifest = load_manifest(&self.run, id).await?;
            let progress = || self.shared.activity.advance(Phase::Restore);
            restore_telling(&self.run, &manifest, &tensors, progress).await
        };
        match self.runtime.block_on(restored) {
            Err(source) if source.is_damage() => Err(WorkerError::Unrestorable { id, source }),
            outcome => Ok(outcome?),
        }
    }
}
