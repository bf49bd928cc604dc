//! Owns what becomes of a sample whose stored voxels are damaged.
//!
//! What takes its place is a function of the seed, the sample's position and what lies on the store: every rank, whoever
//! reads the sample, takes the same. The place in the order, and with it slot, mask and weight, stays.

use super::Work;
use crate::DataSetError;
use crate::keyed_rng::KeyedRng;
use crate::order::Sample;
use crate::stack::Stack;

/// Cases tried in the place of one sample before the data set counts as ruined.
const MOST_TRIED: usize = 16;

/// Says what becomes of a sample whose stored voxels do not match their digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BadSample {
    /// It is an error.
    #[default]
    Fail,
    /// Another case takes its place.
    Skip,
}

/// Names a damaged sample that was replaced by another case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedSample {
    pub case_id: String,
    /// Name of the shard.
    pub shard: String,
    /// Row group of the case in the shard.
    pub row_group: u32,
    /// The damaged coronal slice.
    pub slice: u32,
    /// Byte of the shard at which its voxels begin.
    pub offset: u64,
}

impl SkippedSample {
    fn of(error: &DataSetError) -> Option<Self> {
        match error {
            DataSetError::ChecksumMismatch {
                case,
                shard,
                row_group,
                slice,
                offset,
            } => Some(Self {
                case_id: case.clone(),
                shard: shard.clone(),
                row_group: *row_group,
                slice: *slice,
                offset: *offset,
            }),
            _ => None,
        }
    }
}

impl Work {
    /// Loads a sample or, if it is damaged and may be skipped, the first sound one in its place.
    ///
    /// Whatever else goes wrong is an error: a shard that is missing or unreadable as a whole is no bad sample.
    pub(super) async fn load_or_replace(&self, asked: Sample) -> Result<Stack, DataSetError> {
        let mut skipped = Vec::new();
        let mut sample = asked;
        loop {
            let error = match self.load(sample).await {
                Ok(stack) => return Ok(Stack { skipped, ..stack }),
                Err(error) => error,
            };
            let damage = SkippedSample::of(&error).filter(|_| self.may_skip(skipped.len()));
            skipped.push(damage.ok_or(error)?);
            let cases = self.data.manifest.cases.len() as u32;
            sample = replacement(self.stacks.seed, sample, skipped.len() as u64, cases);
        }
    }

    fn may_skip(&self, skipped: usize) -> bool {
        let has_others = self.data.manifest.cases.len() > 1;
        self.bad_sample == BadSample::Skip && has_others && skipped < MOST_TRIED
    }
}

/// Draws another of the `cases` for a position; `attempt` counts from 1.
fn replacement(seed: u64, bad: Sample, attempt: u64, cases: u32) -> Sample {
    let others = u64::from(cases.saturating_sub(1)).max(1);
    let drawn = KeyedRng::new("replacement", seed, &[bad.position, attempt]).below(others) as u32;
    let case = if drawn < bad.case { drawn } else { drawn + 1 };
    Sample { case, ..bad }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_case_may_take_a_place_and_the_bad_one_does_not() {
        let bad = |position| Sample {
            position,
            epoch: 3,
            case: 2,
        };
        let drawn: Vec<Sample> = (0..200).map(|at| replacement(5, bad(at), 1, 5)).collect();
        let cases: std::collections::BTreeSet<u32> =
            drawn.iter().map(|sample| sample.case).collect();
        assert_eq!(cases, [0, 1, 3, 4].into());
        assert!(
            drawn
                .iter()
                .zip(0..)
                .all(|(sample, at)| sample.position == at && sample.epoch == 3)
        );
        let first: Vec<u32> = drawn[..6].iter().map(|sample| sample.case).collect();
        assert_eq!(first, [4, 0, 1, 1, 4, 1], "frozen");
    }
}
