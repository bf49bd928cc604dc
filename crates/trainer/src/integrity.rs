//! Whether memory kept the parameters: sums over their bits, compared with themselves and between ranks.
//! What follows from a difference is the coordinator's; the state is copied anew where generations begin.

use crate::error::TrainError;
use crate::train_state::TrainState;

/// What the ranks' sums say of each other.
#[derive(Debug, PartialEq, Eq)]
enum Likeness {
    All,
    /// These ranks differ from the majority.
    AllBut(Vec<usize>),
    /// No sum is that of more than half of the ranks.
    NoMajority,
}

fn likeness(sums: &[u64]) -> Likeness {
    let is_common = |sum: &&u64| sums.iter().filter(|other| other == sum).count() * 2 > sums.len();
    let Some(common) = sums.iter().find(is_common) else {
        return Likeness::NoMajority;
    };
    let ranks = (0..).zip(sums);
    let others: Vec<usize> = ranks
        .filter(|(_, sum)| *sum != common)
        .map(|(rank, _)| rank)
        .collect();
    match others.is_empty() {
        true => Likeness::All,
        false => Likeness::AllBut(others),
    }
}

/// Finds the ranks whose parameters after `step` are not the others'; all ranks find the same.
///
/// # Errors
/// `Unlike` for a minority, `NoMajority`.
pub(crate) fn compare(sums: &[u64], own_rank: usize, step: u64) -> Result<(), TrainError> {
    match likeness(sums) {
        Likeness::All => Ok(()),
        Likeness::AllBut(ranks) => Err(TrainError::Unlike {
            rank: ranks.first().copied().unwrap_or_default(),
            is_own: ranks.contains(&own_rank),
            n_alike: sums.len() - ranks.len(),
            step,
        }),
        Likeness::NoMajority => Err(TrainError::NoMajority { step }),
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

    #[test]
    fn the_majority_decides_and_two_cannot() {
        assert_eq!(likeness(&[4, 4, 4]), Likeness::All);
        assert_eq!(likeness(&[4]), Likeness::All);
        assert_eq!(likeness(&[5, 4, 4]), Likeness::AllBut(vec![0]));
        assert_eq!(likeness(&[4, 5, 4, 6, 4]), Likeness::AllBut(vec![1, 3]));
        assert_eq!(likeness(&[4, 5]), Likeness::NoMajority);
        assert_eq!(likeness(&[4, 4, 5, 5]), Likeness::NoMajority);
    }

    #[test]
    fn only_the_rank_that_differs_loses_its_state() {
        for (own, is_spoiled) in [(0, false), (1, true), (2, false)] {
            let error = compare(&[4, 5, 4], own, 9).unwrap_err();
            assert_eq!(error.invalidates_state(), is_spoiled, "rank {own}: {error}");
        }
        assert!(compare(&[4, 5], 0, 9).unwrap_err().invalidates_state());
    }
}
