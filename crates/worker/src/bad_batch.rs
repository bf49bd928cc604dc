//! A batch whose loss or gradient is not finite: which slots and cases are to blame, and what follows.
//!
//! Every rank sees the same numbers, so all find the same slots and do the same.

use crate::error::WorkerError;
use crate::group::Group;
use crate::session::Session;
use fratmae_config::BadBatch;
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use rayon::prelude::*;

/// With so many bad batches in a row it is not the batches that are bad.
const MOST_IN_A_ROW: u32 = 10;
/// Floats looked at by one thread at a time.
const PIECE: usize = 1 << 16;

/// Whether every number is finite.
pub(crate) fn is_finite(values: &[f32]) -> bool {
    let is_finite = |piece: &[f32]| piece.iter().all(|value| value.is_finite());
    values.par_chunks(PIECE).all(is_finite)
}

/// Slots as a rank tells them to its peers.
pub(crate) fn encode(slots: &[usize]) -> Vec<u8> {
    let number = |slot: &usize| (*slot as u64).to_le_bytes();
    slots.iter().flat_map(number).collect()
}

/// The slots that all ranks told, in order.
pub(crate) fn decode(messages: &[Vec<u8>]) -> Vec<usize> {
    let numbers = messages.iter().flat_map(|message| message.as_chunks().0);
    let mut slots: Vec<usize> = numbers
        .filter_map(|number| usize::try_from(u64::from_le_bytes(*number)).ok())
        .collect();
    slots.sort_unstable();
    slots
}

impl Session {
    /// Takes note of a bad batch, which then moves no weight.
    ///
    /// # Errors
    /// `NotFinite` where the job says so; `Diverging` after too many in a row.
    pub(crate) fn pass_over(
        &mut self,
        what: &'static str,
        step: u64,
        slots: &[usize],
        group: &Group,
    ) -> Result<(), WorkerError> {
        let slots: Vec<_> = slots
            .iter()
            .map(|slot| self.bad_slot(step, *slot))
            .collect();
        let blame = blame(&slots);
        if self.config.train.bad_batch == BadBatch::Fail {
            return Err(WorkerError::NotFinite { what, step, blame });
        }
        self.bad_in_a_row += 1;
        let batches = self.bad_in_a_row;
        if batches >= MOST_IN_A_ROW {
            return Err(WorkerError::Diverging {
                what,
                step,
                batches,
                blame,
            });
        }
        if group.process.rank() == 0 {
            self.outbox.state(From::BadBatch(pb::BadBatch {
                generation: group.generation,
                step,
                what: what.to_owned(),
                slots,
            }));
        }
        Ok(())
    }

    /// A slot of a step with the cases that the order puts there.
    fn bad_slot(&self, step: u64, slot: usize) -> pb::BadSlot {
        let samples = self.plan.samples(slot..slot + 1, step, step);
        let cases = &self.data.manifest.cases;
        let name = |case: u32| cases.get(case as usize).map(|case| case.case_id.clone());
        pb::BadSlot {
            slot: u32::try_from(slot).unwrap_or(u32::MAX),
            cases: samples.filter_map(|sample| name(sample.case)).collect(),
        }
    }
}

/// The slots and their cases in one line.
fn blame(slots: &[pb::BadSlot]) -> String {
    if slots.is_empty() {
        return "no slot by itself".to_owned();
    }
    let each = |slot: &pb::BadSlot| format!("slot {} with {}", slot.slot, slot.cases.join(", "));
    slots.iter().map(each).collect::<Vec<_>>().join("; ")
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
        assert_eq!(decode(&messages), [2, 5, 6]);
    }

    #[test]
    fn the_blame_names_slots_and_cases() {
        let slot = |slot, cases: &[&str]| pb::BadSlot {
            slot,
            cases: cases.iter().map(|&case| case.to_owned()).collect(),
        };
        let line = blame(&[slot(2, &["a", "b"]), slot(7, &["c"])]);
        assert_eq!(line, "slot 2 with a, b; slot 7 with c");
        assert_eq!(blame(&[]), "no slot by itself");
    }
}
