//! Where a generation's state comes from: this rank's own memory, its peers', the newest checkpoint, or the seed.
//!
//! What a rank holds is replaced only by a whole state that has been verified.

use crate::activity::Activity;
use crate::beginning::first_weights;
use crate::error::WorkerError;
use crate::resident::Resident;
use crate::session::Session;
use fratmae_checkpoint::{CheckpointId, State, TensorSpec, load_manifest, restore_telling};
use fratmae_collective::ProcessGroup;
use fratmae_control::{Assignment, Phase, Source, Step};
use fratmae_model::Parameter;
use rayon::prelude::*;

/// Floats hashed by one thread at a time.
const PIECE: usize = 1 << 20;

impl Session {
    /// The step that the state in memory is after.
    pub(crate) fn held_step(&self) -> Option<u64> {
        self.held.as_ref().map(|state| state.step().get())
    }

    /// Makes the state that a generation begins with, where no peer is needed for it.
    pub(crate) fn prepare_state(&mut self, source: Source) -> Result<(), WorkerError> {
        match source {
            Source::Initial => {
                self.bit_sum = None;
                self.shared.activity.enter(Phase::Restore);
                self.held = Some(Resident::Host(self.initial_state()?));
            }
            Source::Checkpoint { step, generation } => {
                self.bit_sum = None;
                self.shared.activity.enter(Phase::Restore);
                let id = CheckpointId { step, generation };
                self.held = Some(Resident::Host(self.restored_state(id)?));
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
        let own = self.held.as_mut().filter(|own| own.step() == step);
        match own {
            Some(_) if holders.len() == group.world_size() => Ok(()),
            Some(Resident::Host(own)) if is_holder => replicate(own, &holders, group, activity),
            Some(Resident::Device(own)) if is_holder => {
                replicate(&mut own.to_host()?, &holders, group, activity)
            }
            None if is_holder => Err(WorkerError::NoState { step: step.get() }),
            _ => {
                let mut copy = self.empty_state(step);
                replicate(&mut copy, &holders, group, &self.shared.activity)?;
                self.held = Some(Resident::Host(copy));
                self.bit_sum = None;
                Ok(())
            }
        }
    }

    fn empty_state(&self, step: Step) -> State {
        let length: usize = self.parameters.iter().map(Parameter::len).sum();
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
        let (parameters, told) = first_weights(&self.config, &self.parameters)?;
        told.iter().for_each(|line| tracing::debug!("{line}"));
        let zeros = vec![0.0; parameters.len()];
        Ok(State {
            step: Step::new(0),
            parameters,
            first_moment: zeros.clone(),
            second_moment: zeros,
        })
    }

    fn restored_state(&self, id: CheckpointId) -> Result<State, WorkerError> {
        let tensors = self.tensors();
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

    /// The parameters as a checkpoint names them.
    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        let spec = |parameter: &Parameter| TensorSpec {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            offset: parameter.offset,
        };
        self.parameters.iter().map(spec).collect()
    }
}

/// Moves the values, then compares everybody's digest of the whole state with the first holder's.
fn replicate(
    state: &mut State,
    holders: &[usize],
    group: &mut dyn ProcessGroup,
    activity: &Activity,
) -> Result<(), WorkerError> {
    let values = vec![
        state.parameters.as_mut_slice(),
        state.first_moment.as_mut_slice(),
        state.second_moment.as_mut_slice(),
    ];
    activity.call("replicate");
    group.replicate(holders, values)?;
    activity.call("all_gather");
    let digests = group.all_gather(state_digest(state).as_bytes())?;
    compare(&digests, holders, state.step.get())
}

fn compare(digests: &[Vec<u8>], holders: &[usize], step: u64) -> Result<(), WorkerError> {
    let Some(&holder) = holders.first() else {
        return Ok(());
    };
    let differs = |rank: &usize| digests.get(*rank) != digests.get(holder);
    if let Some(&rank) = holders.iter().find(|rank| differs(rank)) {
        return Err(WorkerError::Diverged { rank, holder, step });
    }
    match (0..digests.len()).find(differs) {
        Some(rank) => Err(WorkerError::CopyDiffers { rank, holder, step }),
        None => Ok(()),
    }
}

/// What tells two states apart: BLAKE3 over the digests of pieces, so that all threads take part.
#[must_use]
pub fn state_digest(state: &State) -> blake3::Hash {
    let vectors = [&state.parameters, &state.first_moment, &state.second_moment];
    let mut whole = blake3::Hasher::new();
    whole.update(&state.step.get().to_le_bytes());
    for vector in vectors {
        let digests: Vec<_> = vector.par_chunks(PIECE).map(piece_digest).collect();
        digests.iter().for_each(|digest| {
            whole.update(digest.as_bytes());
        });
    }
    whole.finalize()
}

fn piece_digest(piece: &[f32]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = Vec::with_capacity(1 << 16);
    for values in piece.chunks(1 << 14) {
        bytes.clear();
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        hasher.update(&bytes);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(step: u64, values: &[f32]) -> State {
        State {
            step: Step::new(step),
            parameters: values.to_vec(),
            first_moment: values.to_vec(),
            second_moment: values.to_vec(),
        }
    }

    #[test]
    fn step_and_every_bit_of_every_vector_are_in_the_digest() {
        let one = state_digest(&state(1, &[0.0, 1.0]));
        assert_ne!(one, state_digest(&state(2, &[0.0, 1.0])));
        assert_ne!(one, state_digest(&state(1, &[-0.0, 1.0])));
        let mut moment = state(1, &[0.0, 1.0]);
        moment.second_moment[1] = 1.5;
        assert_ne!(one, state_digest(&moment));
    }

    #[test]
    fn a_bad_copy_and_holders_that_differ_are_told_apart() {
        let digests = [b"a".to_vec(), b"a".to_vec(), b"b".to_vec()];
        assert!(compare(&digests[..2], &[0], 5).is_ok());
        let copy = compare(&digests, &[0, 1], 5);
        assert!(matches!(
            copy,
            Err(WorkerError::CopyDiffers {
                rank: 2,
                holder: 0,
                ..
            })
        ));
        let holder = compare(&digests, &[1, 2], 5);
        assert!(matches!(
            holder,
            Err(WorkerError::Diverged {
                rank: 2,
                holder: 1,
                ..
            })
        ));
    }
}
