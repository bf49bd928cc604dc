//! Who is in the group: ranks, addresses and slots of one generation.
//!
//! It checks that they fit together; the coordinator decides them.

use std::net::SocketAddr;
use std::ops::Range;

use crate::{CollectiveError, SlotTree};

/// One generation as one of its ranks sees it. Addresses and slots have one entry a rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// What the members of this generation alone know. It is never sent: they show each other that they know it.
    pub run: String,
    pub generation: u64,
    pub rank: usize,
    /// Where each rank's listener is reached.
    pub addresses: Vec<SocketAddr>,
    /// The slots each rank computes: contiguous, together exactly `0..slots`; may be empty.
    pub slots: Vec<Range<usize>>,
}

impl Membership {
    /// Counts the ranks.
    #[must_use]
    pub fn world_size(&self) -> usize {
        self.addresses.len()
    }

    /// Gives the tree over all slots of the group.
    #[must_use]
    pub fn tree(&self) -> SlotTree {
        SlotTree::new(self.slots.iter().map(Range::len).sum())
    }

    /// Checks that ranks, addresses and slots fit together.
    pub(crate) fn check(&self) -> Result<(), CollectiveError> {
        let Self {
            rank,
            addresses,
            slots,
            ..
        } = self;
        if *rank >= addresses.len() {
            return refuse(format!(
                "rank {rank} is not below the world size {}",
                addresses.len()
            ));
        }
        if slots.len() != addresses.len() {
            return refuse(format!(
                "{} ranks have {} ranges of slots",
                addresses.len(),
                slots.len()
            ));
        }
        check_slots(slots)
    }
}

fn check_slots(slots: &[Range<usize>]) -> Result<(), CollectiveError> {
    let mut held: Vec<_> = slots.iter().filter(|range| !range.is_empty()).collect();
    held.sort_by_key(|range| range.start);
    let mut next = 0;
    for range in held {
        if range.start != next {
            return refuse(format!("slot {next} is not held exactly once"));
        }
        next = range.end;
    }
    if next == 0 {
        refuse("no rank holds a slot".to_owned())
    } else {
        Ok(())
    }
}

fn refuse(reason: String) -> Result<(), CollectiveError> {
    Err(CollectiveError::Membership { reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership(rank: usize, slots: &[Range<usize>]) -> Membership {
        let addresses = (0..slots.len())
            .map(|_| SocketAddr::from(([127, 0, 0, 1], 1)))
            .collect();
        Membership {
            run: "run".to_owned(),
            generation: 1,
            rank,
            addresses,
            slots: slots.to_vec(),
        }
    }

    fn reason(membership: &Membership) -> String {
        membership.check().unwrap_err().to_string()
    }

    #[test]
    fn contiguous_dealings_pass_in_any_order_and_with_idle_ranks() {
        membership(0, &[0..4, 4..8]).check().unwrap();
        membership(2, &[3..8, 0..0, 0..3, 8..8]).check().unwrap();
        assert_eq!(membership(0, &[3..8, 0..0, 0..3]).tree(), SlotTree::new(8));
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "a world of one rank")]
    fn contradictions_are_named() {
        assert!(
            reason(&membership(2, &[0..1, 1..2])).contains("rank 2 is not below the world size 2")
        );
        assert!(reason(&membership(0, &[0..2, 3..4])).contains("slot 2"));
        assert!(reason(&membership(0, &[0..2, 1..4])).contains("slot 2"));
        assert!(reason(&membership(0, &[1..2])).contains("slot 0"));
        assert!(reason(&membership(0, &[0..0])).contains("no rank holds a slot"));
        assert!(reason(&membership(0, &[])).contains("world size 0"));
    }

    #[test]
    fn a_missing_range_is_refused() {
        let mut short = membership(0, &[0..1, 1..2]);
        short.slots.pop();
        assert!(reason(&short).contains("2 ranks have 1 ranges"));
    }
}
