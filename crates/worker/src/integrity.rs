//! Whether memory kept the parameters: sums over their bits, compared with themselves and between ranks.
//! What follows from a difference is the coordinator's; the state is copied anew where generations begin.

use crate::error::WorkerError;
use crate::session::Session;
use fratmae_checkpoint::State;
use rayon::prelude::*;

/// Floats summed by one thread at a time.
const PIECE: usize = 1 << 16;
/// An odd number whose bits look random: multiplying by it loses nothing.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A sum in which every bit counts: one flipped bit always changes it. As fast as memory; no guard against malice.
pub(crate) fn bit_sum(values: &[f32]) -> u64 {
    let pieces: Vec<u64> = values.par_chunks(PIECE).map(piece_sum).collect();
    pieces.into_iter().fold(values.len() as u64, mixed)
}

/// Four running sums, so that no multiplication waits for the one before it.
fn piece_sum(piece: &[f32]) -> u64 {
    let (eights, rest) = piece.as_chunks::<8>();
    let mut lanes = [1, 2, 3, 4];
    for eight in eights {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            let [low, high] =
                [eight[2 * lane], eight[2 * lane + 1]].map(|v| u64::from(v.to_bits()));
            *sum = mixed(*sum, low | high << 32);
        }
    }
    let rest = rest.iter().map(|value| u64::from(value.to_bits()));
    lanes.into_iter().chain(rest).fold(0, mixed)
}

const fn mixed(sum: u64, word: u64) -> u64 {
    (sum ^ word).wrapping_mul(ODD).rotate_left(29)
}

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
pub(crate) fn compare(sums: &[u64], own_rank: usize, step: u64) -> Result<(), WorkerError> {
    match likeness(sums) {
        Likeness::All => Ok(()),
        Likeness::AllBut(ranks) => Err(WorkerError::Unlike {
            rank: ranks.first().copied().unwrap_or_default(),
            is_own: ranks.contains(&own_rank),
            n_alike: sums.len() - ranks.len(),
            step,
        }),
        Likeness::NoMajority => Err(WorkerError::NoMajority { step }),
    }
}

impl Session {
    /// Whether the parameters after this step are compared.
    fn is_compared(&self, step: u64) -> bool {
        let every = self.config.workers.compare_every;
        every > 0 && step.is_multiple_of(every)
    }

    /// The sum of the parameters after the last update, if they are compared there: taken right after that update where
    /// this worker made it.
    pub(crate) fn sum_before(&self, state: &State) -> Option<u64> {
        let step = state.step.get();
        let known = self.bit_sum.filter(|(summed, _)| *summed == step);
        let sum = || known.map_or_else(|| bit_sum(&state.parameters), |(_, sum)| sum);
        self.is_compared(step).then(sum)
    }

    /// Notes the sum of the parameters right after an update.
    pub(crate) fn note_sum(&mut self, state: &State) {
        let step = state.step.get();
        self.bit_sum = self
            .is_compared(step)
            .then(|| (step, bit_sum(&state.parameters)));
    }

    /// The parameters that a step has computed with are those that the update before it left.
    ///
    /// # Errors
    /// `Corrupted`, before anything of the step has reached a peer.
    pub(crate) fn require_unchanged(
        &self,
        before: Option<u64>,
        state: &State,
        rank: usize,
    ) -> Result<(), WorkerError> {
        if before.is_none_or(|before| before == bit_sum(&state.parameters)) {
            return Ok(());
        }
        let step = state.step.get();
        Err(WorkerError::Corrupted { rank, step })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flipped_bit_changes_the_sum() {
        let values: Vec<f32> = (0..70_003).map(|i| i as f32 * 0.37 - 9.0).collect();
        let sum = bit_sum(&values);
        for place in [0, 1, 7, 8, 65_535, 65_536, 70_000, 70_002] {
            for bit in 0..32 {
                let mut flipped = values.clone();
                flipped[place] = f32::from_bits(values[place].to_bits() ^ 1 << bit);
                assert_ne!(bit_sum(&flipped), sum, "bit {bit} of {place}");
            }
        }
    }

    #[test]
    fn the_sum_does_not_depend_on_the_number_of_threads() {
        let values: Vec<f32> = (0..300_001).map(|i| (i as f32).sin()).collect();
        let sums = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| bit_sum(&values))
        });
        assert_eq!(sums[0], sums[1]);
    }

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
            assert_eq!(error.spoils_state(), is_spoiled, "rank {own}: {error}");
        }
        assert!(compare(&[4, 5], 0, 9).unwrap_err().spoils_state());
    }
}
