//! Whether memory kept the state: sums over the parameters' bits, compared with themselves and between ranks, and
//! digests of whole states between the ranks that hold one.
//! What follows from a difference is the coordinator's; the state is copied anew where generations begin.

use crate::error::TrainError;
use crate::train_state::TrainState;

/// What ranks' sums or digests say of each other.
#[derive(Debug, PartialEq, Eq)]
enum Likeness {
    All,
    /// These ranks differ from the majority.
    AllBut(Vec<usize>),
    /// No value is that of more than half of the ranks.
    NoMajority,
}

fn likeness<T: PartialEq>(values: &[(usize, T)]) -> Likeness {
    let is_common = |(_, value): &&(usize, T)| {
        let alike = values.iter().filter(|(_, other)| other == value);
        alike.count() * 2 > values.len()
    };
    let Some((_, common)) = values.iter().find(is_common) else {
        return Likeness::NoMajority;
    };
    let others = values.iter().filter(|(_, value)| value != common);
    let others: Vec<usize> = others.map(|(rank, _)| *rank).collect();
    match others.is_empty() {
        true => Likeness::All,
        false => Likeness::AllBut(others),
    }
}

/// Finds the ranks whose value of a state after `step` is not the others'; all ranks find the same. `what` the values
/// are of is in plural.
///
/// # Errors
/// `Unlike` for a minority, `NoMajority`.
pub(crate) fn compare<T: PartialEq>(
    what: &'static str,
    values: &[(usize, T)],
    own_rank: usize,
    step: u64,
) -> Result<(), TrainError> {
    match likeness(values) {
        Likeness::All => Ok(()),
        Likeness::AllBut(ranks) => Err(TrainError::Unlike {
            what,
            rank: ranks.first().copied().unwrap_or_default(),
            is_own: ranks.contains(&own_rank),
            n_alike: values.len() - ranks.len(),
            step,
        }),
        Likeness::NoMajority => Err(TrainError::NoMajority { what, step }),
    }
}

/// The sum of the parameters' bits after an update, at the steps where they are compared.
#[derive(Debug)]
pub(crate) struct Integrity {
    /// Steps from one comparison to the next; zero for none.
    every: u64,
    /// The step whose parameters were summed up after its update, and their sum.
    noted: Option<(u64, u64)>,
}

impl Integrity {
    pub(crate) const fn new(every: u64) -> Self {
        Self { every, noted: None }
    }

    /// The next state is another one.
    pub(crate) const fn forget(&mut self) {
        self.noted = None;
    }

    fn is_compared(&self, step: u64) -> bool {
        self.every > 0 && step.is_multiple_of(self.every)
    }

    /// The sum of the parameters after the last update, if they are compared there: taken right after that update where
    /// this rank made it.
    pub(crate) fn sum_before(&self, state: &TrainState) -> Result<Option<u64>, TrainError> {
        let step = state.step().get();
        if !self.is_compared(step) {
            return Ok(None);
        }
        match self.noted.filter(|(summed, _)| *summed == step) {
            Some((_, sum)) => Ok(Some(sum)),
            None => Ok(Some(state.bit_sum()?)),
        }
    }

    /// Notes the sum of the parameters right after an update.
    pub(crate) fn note(&mut self, state: &TrainState) -> Result<(), TrainError> {
        let step = state.step().get();
        self.noted = match self.is_compared(step) {
            true => Some((step, state.bit_sum()?)),
            false => None,
        };
        Ok(())
    }

    /// A state that is handed to peers is the one that its last update left, if that was summed up here.
    ///
    /// # Errors
    /// `Corrupted`.
    pub(crate) fn require_as_noted(
        &self,
        state: &TrainState,
        rank: usize,
    ) -> Result<(), TrainError> {
        let noted = self.noted.filter(|(step, _)| *step == state.step().get());
        Self::require_unchanged(noted.map(|(_, sum)| sum), state, rank)
    }

    /// The parameters that a step has computed with are those that the update before it left.
    ///
    /// # Errors
    /// `Corrupted`, before anything of the step has reached a peer.
    pub(crate) fn require_unchanged(
        before: Option<u64>,
        state: &TrainState,
        rank: usize,
    ) -> Result<(), TrainError> {
        match before {
            Some(before) if before != state.bit_sum()? => {
                let step = state.step().get();
                Err(TrainError::Corrupted { rank, step })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use checkpoint::State;
    use control::Step;

    fn of_ranks(sums: &[u64]) -> Vec<(usize, u64)> {
        (0..).zip(sums.iter().copied()).collect()
    }

    #[test]
    fn the_majority_decides_and_two_cannot() {
        let likeness = |sums: &[u64]| likeness(&of_ranks(sums));
        assert_eq!(likeness(&[4, 4, 4]), Likeness::All);
        assert_eq!(likeness(&[4]), Likeness::All);
        assert_eq!(likeness(&[5, 4, 4]), Likeness::AllBut(vec![0]));
        assert_eq!(likeness(&[4, 5, 4, 6, 4]), Likeness::AllBut(vec![1, 3]));
        assert_eq!(likeness(&[4, 5]), Likeness::NoMajority);
        assert_eq!(likeness(&[4, 4, 5, 5]), Likeness::NoMajority);
    }

    #[test]
    fn a_state_that_memory_changed_since_its_update_is_not_handed_on() {
        let mut integrity = Integrity::new(1);
        let mut state = State {
            step: Step::new(3),
            parameters: vec![1.0, 2.0],
            first_moment: vec![0.0; 2],
            second_moment: vec![0.0; 2],
        };
        let host = |state: &State| TrainState::Host(state.clone());
        // One that was copied or restored is not summed up yet.
        assert!(integrity.require_as_noted(&host(&state), 0).is_ok());
        integrity.note(&host(&state)).unwrap();
        assert!(integrity.require_as_noted(&host(&state), 0).is_ok());
        state.parameters[1] = f32::from_bits(state.parameters[1].to_bits() ^ 1);
        let error = integrity.require_as_noted(&host(&state), 1).unwrap_err();
        assert!(matches!(error, TrainError::Corrupted { rank: 1, step: 3 }));
        // It says nothing of the state after another step.
        state.step = Step::new(4);
        assert!(integrity.require_as_noted(&host(&state), 0).is_ok());
    }

    #[test]
    fn only_the_rank_that_differs_loses_its_state() {
        for (own, is_spoiled) in [(0, false), (1, true), (2, false)] {
            let error = compare("sums", &of_ranks(&[4, 5, 4]), own, 9).unwrap_err();
            assert_eq!(error.invalidates_state(), is_spoiled, "rank {own}: {error}");
        }
        let split = compare("sums", &of_ranks(&[4, 5]), 0, 9).unwrap_err();
        assert!(split.invalidates_state());
    }
}
