//! A batch whose loss or gradient is not finite: which slots and cases are to blame, and what follows.
//!
//! Every rank sees the same numbers, so all find the same slots and do the same.

use crate::error::TrainError;
use config::BadBatch as Wanted;
use rayon::prelude::*;
use std::ops::Range;

/// With so many bad batches in a row it is not the batches that are bad.
const MOST_IN_A_ROW: u32 = 10;
/// Floats looked at by one thread at a time.
const PIECE: usize = 1 << 16;
/// The bits of a number's exponent: all are set in infinities and in what is no number, and in nothing else.
const EXPONENT: u32 = 0x7f80_0000;

/// A batch that moved no weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadBatch {
    pub what: &'static str,
    /// The slots to blame; none if no slot by itself is.
    pub slots: Vec<BadSlot>,
}

/// A slot whose numbers are not finite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSlot {
    pub slot: usize,
    /// The names of the cases that the order puts there.
    pub cases: Vec<String>,
}

impl BadBatch {
    pub(crate) fn new(
        what: &'static str,
        slots: impl IntoIterator<Item = (usize, Vec<String>)>,
    ) -> Self {
        let slot = |(slot, cases)| BadSlot { slot, cases };
        Self {
            what,
            slots: slots.into_iter().map(slot).collect(),
        }
    }

    /// Itself, if the job goes on after it, the last of so many in a row.
    ///
    /// # Errors
    /// `NotFinite` where the job says so; `Diverging` after too many.
    pub(crate) fn tolerated(
        self,
        step: u64,
        wanted: Wanted,
        batches: u32,
    ) -> Result<Self, TrainError> {
        let (what, blame) = (self.what, self.blame());
        if wanted == Wanted::Fail {
            return Err(TrainError::NotFinite { what, step, blame });
        }
        if batches >= MOST_IN_A_ROW {
            return Err(TrainError::Diverging {
                what,
                step,
                batches,
                blame,
            });
        }
        Ok(self)
    }

    /// The slots and their cases in one line.
    fn blame(&self) -> String {
        if self.slots.is_empty() {
            return "no slot by itself".to_owned();
        }
        let each = |slot: &BadSlot| format!("slot {} with {}", slot.slot, slot.cases.join(", "));
        self.slots.iter().map(each).collect::<Vec<_>>().join("; ")
    }
}

/// Whether every number is finite.
pub(crate) fn is_finite(values: &[f32]) -> bool {
    // A piece is read to its end whatever is found: so many numbers are looked at in one instruction.
    let is_bad = |value: &f32| value.to_bits() & EXPONENT == EXPONENT;
    let has_bad = |piece: &[f32]| piece.iter().fold(false, |bad, value| bad | is_bad(value));
    !values.par_chunks(PIECE).any(has_bad)
}

/// Slots as a rank tells them to its peers.
pub(crate) fn encode(slots: &[usize]) -> Vec<u8> {
    let number = |slot: &usize| (*slot as u64).to_le_bytes();
    slots.iter().flat_map(number).collect()
}

/// The slots that all ranks reported, in order; `slots` says which slots each rank has.
///
/// # Errors
/// `Exchange` for a message that is no list of its sender's slots.
pub(crate) fn decode(
    messages: &[Vec<u8>],
    slots: &[Range<usize>],
) -> Result<Vec<usize>, TrainError> {
    let mut all = Vec::new();
    for (rank, (message, own_slots)) in messages.iter().zip(slots).enumerate() {
        let (numbers, rest) = message.as_chunks();
        let number = |number: &[u8; 8]| usize::try_from(u64::from_le_bytes(*number)).ok();
        let reported = numbers.iter().map(number);
        let reported = reported.map(|slot| slot.filter(|slot| own_slots.contains(slot)));
        match reported.collect::<Option<Vec<_>>>() {
            Some(reported) if rest.is_empty() && reported.len() <= own_slots.len() => {
                all.extend(reported);
            }
            _ => {
                let reason = "no list of its slots".to_owned();
                return Err(TrainError::Exchange { rank, reason });
            }
        }
    }
    all.sort_unstable();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_that_is_not_finite_is_found_anywhere() {
        let mut values = vec![1.0; 70_000];
        assert!(is_finite(&values));
        for (place, bad) in [(0, f32::NAN), (69_999, f32::INFINITY)] {
            let good = std::mem::replace(&mut values[place], bad);
            assert!(!is_finite(&values));
            values[place] = good;
        }
    }

    #[test]
    fn all_ranks_bad_slots_are_known_in_order() {
        let messages = [encode(&[5, 6]), encode(&[]), encode(&[2])];
        let slots = [4..8, 8..9, 0..4];
        assert_eq!(decode(&messages, &slots).unwrap(), [2, 5, 6]);
    }

    #[test]
    fn a_rank_that_reports_what_are_not_its_slots_is_named() {
        let good = encode(&[2]);
        for bad in [
            encode(&[5]),
            encode(&[usize::MAX]),
            encode(&[2, 2]),
            vec![2; 7],
        ] {
            let decoded = decode(&[good.clone(), bad], &[2..3, 2..3]);
            assert!(matches!(decoded, Err(TrainError::Exchange { rank: 1, .. })));
        }
    }

    #[test]
    fn the_blame_names_slots_and_cases() {
        let names = |cases: &[&str]| cases.iter().map(|&case| case.to_owned()).collect();
        let slots = [(2, names(&["a", "b"])), (7, names(&["c"]))];
        let line = BadBatch::new("loss", slots).blame();
        assert_eq!(line, "slot 2 with a, b; slot 7 with c");
        assert_eq!(BadBatch::new("loss", []).blame(), "no slot by itself");
    }

    #[test]
    fn a_bad_batch_ends_the_run_where_the_job_says_so_and_the_tenth_in_a_row_does_anyway() {
        let judged = |wanted, batches| BadBatch::new("loss", []).tolerated(4, wanted, batches);
        let failed = judged(Wanted::Fail, 1).unwrap_err().to_string();
        assert!(failed.contains("is not finite at step 4"), "{failed}");
        assert!(judged(Wanted::Skip, MOST_IN_A_ROW - 1).is_ok());
        let diverging = judged(Wanted::Skip, MOST_IN_A_ROW).unwrap_err();
        assert!(matches!(diverging, TrainError::Diverging { .. }));
    }
}
