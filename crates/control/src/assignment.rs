//! Who computes which slots: a pure function of the number of ranks and slots.

use crate::ids::Slot;
use std::ops::Range;

/// One rank's place in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Where its peers reach it.
    pub address: String,
    /// The contiguous run of slots it computes.
    pub slots: Range<Slot>,
    /// Whether it holds the state that the generation begins with, where that comes from peers.
    pub is_holder: bool,
}

/// Deals `slots` to `ranks` in contiguous runs whose lengths differ by at most one.
///
/// Total and deterministic: every slot has exactly one owner, and the first ranks take the longer
/// runs. With more ranks than slots the last ones get empty runs; no ranks give no runs.
#[must_use]
pub fn deal_slots(slots: u32, ranks: u32) -> Vec<Range<Slot>> {
    let Some(base) = slots.checked_div(ranks) else {
        return Vec::new();
    };
    let longer = slots - base * ranks;
    let mut next = 0;
    (0..ranks)
        .map(|rank| {
            let first = next;
            next += base + u32::from(rank < longer);
            Slot::new(first)..Slot::new(next)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(slots: u32, ranks: u32) -> Vec<u32> {
        deal_slots(slots, ranks)
            .iter()
            .map(|run| run.end.get() - run.start.get())
            .collect()
    }

    #[test]
    fn runs_are_contiguous_and_cover_every_slot_once() {
        for slots in 1..=40 {
            for ranks in 1..=slots {
                let runs = deal_slots(slots, ranks);
                let mut next = Slot::new(0);
                for run in &runs {
                    assert_eq!(run.start, next, "{slots} slots on {ranks} ranks");
                    next = run.end;
                }
                assert_eq!(next, Slot::new(slots));
            }
        }
    }

    #[test]
    fn seven_ranks_serve_eight_slots_one_of_them_two() {
        assert_eq!(lengths(8, 7), [2, 1, 1, 1, 1, 1, 1]);
        assert_eq!(lengths(8, 3), [3, 3, 2]);
    }

    #[test]
    fn ranks_beyond_the_slots_stay_empty() {
        assert_eq!(lengths(2, 4), [1, 1, 0, 0]);
        assert!(deal_slots(8, 0).is_empty());
    }
}
