//! Partial sums of complete subtrees, in bounded memory.
//!
//! Owns the only place where gradients are added; it does not know ranks.

use std::ops::Range;

use crate::{CollectiveError, SlotTree};

/// A vector that can be added to another of its length, wherever the two lie.
pub trait Addend {
    /// The sum of both, element by element.
    #[must_use]
    fn plus(self, other: Self) -> Self;
}

impl Addend for Vec<f32> {
    fn plus(mut self, other: Self) -> Self {
        for (sum, value) in self.iter_mut().zip(&other) {
            *sum += *value;
        }
        self
    }
}

/// The sum of one complete subtree, whole or one element range of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part<V = Vec<f32>> {
    pub(crate) slots: Range<usize>,
    pub(crate) values: V,
}

/// Parts in slot order, in which siblings are added as soon as both are there.
#[derive(Debug)]
pub(crate) struct Fold<V = Vec<f32>> {
    tree: SlotTree,
    parts: Vec<Part<V>>,
}

impl<V: Addend> Fold<V> {
    pub(crate) fn new(tree: SlotTree) -> Self {
        Self {
            tree,
            parts: Vec::new(),
        }
    }

    /// Adds the part that follows the last one in slot order.
    pub(crate) fn push(&mut self, part: Part<V>) {
        let mut right = part;
        while let Some(left) = self
            .parts
            .pop_if(|left| self.tree.are_siblings(&left.slots, &right.slots))
        {
            right = Part {
                slots: left.slots.start..right.slots.end,
                values: left.values.plus(right.values),
            };
        }
        self.parts.push(right);
    }

    /// Gives the root's sum, if every slot is there.
    pub(crate) fn into_total(mut self) -> Option<V> {
        let root = self.parts.pop()?;
        (root.slots == (0..self.tree.slots())).then_some(root.values)
    }
}

/// The vectors of one rank's slots where they lie, for a sum that never comes to this machine's memory: in the slot tree
/// as far as it goes, then one part after the other.
#[derive(Debug)]
pub struct OwnSums<V> {
    fold: Fold<V>,
    next: usize,
}

impl<V: Addend> OwnSums<V> {
    /// Makes empty sums for the slots that a rank holds; they may be none.
    #[must_use]
    pub fn new(tree: SlotTree, slots: &Range<usize>) -> Self {
        Self {
            fold: Fold::new(tree),
            next: slots.start,
        }
    }

    /// Adds the vector of the next slot.
    pub fn push(&mut self, values: V) {
        let slots = self.next..self.next + 1;
        self.next += 1;
        self.fold.push(Part { slots, values });
    }

    /// The sum, if there was a slot; over all slots it equals the tree's.
    pub fn into_sum(self) -> Option<V> {
        let parts = self.fold.parts.into_iter();
        parts.map(|part| part.values).reduce(Addend::plus)
    }
}

/// The gradients of one rank's slots, summed as far as the tree allows.
///
/// It holds one vector for each complete subtree seen so far: at most the logarithm of the slots.
#[derive(Debug)]
pub struct SlotSums {
    fold: Fold,
    slots: Range<usize>,
    next: usize,
    elements: Option<usize>,
    fault: Option<String>,
}

impl SlotSums {
    /// Makes empty sums for the slots that a rank holds; they may be none.
    #[must_use]
    pub fn new(tree: SlotTree, slots: Range<usize>) -> Self {
        Self {
            fold: Fold::new(tree),
            next: slots.start,
            slots,
            elements: None,
            fault: None,
        }
    }

    /// Adds the gradient of the next slot.
    ///
    /// A gradient too many, or of another length than the first, is remembered and refused by the reduction.
    pub fn push(&mut self, gradient: Vec<f32>) {
        let (slot, length) = (self.next, gradient.len());
        let elements = *self.elements.get_or_insert(length);
        self.next += 1;
        if slot >= self.slots.end {
            self.fault = Some(format!(
                "a gradient was pushed after those of slots {:?}",
                self.slots
            ));
        } else if length != elements {
            self.fault = Some(format!(
                "slot {slot} has {length} elements where {elements} were expected"
            ));
        } else {
            self.fold.push(Part {
                slots: slot..self.next,
                values: gradient,
            });
        }
    }

    /// Gives the subtrees' sums in slot order, after checking that they are exactly those of `slots` of `tree`.
    pub(crate) fn into_parts(
        self,
        tree: SlotTree,
        slots: &Range<usize>,
    ) -> Result<Vec<Part>, CollectiveError> {
        let Self {
            fold,
            slots: held,
            next,
            fault,
            ..
        } = self;
        if let Some(reason) = fault {
            return Err(refusal(reason));
        }
        if fold.tree != tree {
            return Err(refusal(format!(
                "they are of {} slots, the group has {}",
                fold.tree.slots(),
                tree.slots()
            )));
        }
        if held != *slots && !(held.is_empty() && slots.is_empty()) {
            return Err(refusal(format!(
                "they are of slots {held:?}, this rank holds {slots:?}"
            )));
        }
        if next < held.end {
            return Err(refusal(format!("slot {next} of {held:?} is missing")));
        }
        Ok(fold.parts)
    }
}

fn refusal(reason: String) -> CollectiveError {
    CollectiveError::Sums { reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition: a node is left + right, split at the largest power of two below its length.
    fn direct(values: &[f32]) -> f32 {
        match values {
            [] => 0.0,
            [value] => *value,
            _ => {
                let (left, right) = values.split_at(values.len().next_power_of_two() / 2);
                direct(left) + direct(right)
            }
        }
    }

    fn sums(tree: SlotTree, slots: Range<usize>, values: &[f32]) -> SlotSums {
        let mut sums = SlotSums::new(tree, slots.clone());
        values[slots]
            .iter()
            .for_each(|value| sums.push(vec![*value]));
        sums
    }

    fn total(sums: SlotSums) -> f32 {
        let (tree, slots) = (sums.fold.tree, sums.slots.clone());
        let parts = sums.into_parts(tree, &slots).unwrap();
        assert_eq!(parts.len(), 1);
        parts[0].values[0]
    }

    proptest! {
        #[test]
        fn the_total_is_the_tree_evaluated_directly(values in prop::collection::vec(-1e9_f32..1e9, 1..80)) {
            let total = total(sums(SlotTree::new(values.len()), 0..values.len(), &values));
            prop_assert_eq!(total.to_bits(), direct(&values).to_bits());
        }

        #[test]
        fn parts_are_the_cover_and_the_pieces_make_the_same_bits(
            values in prop::collection::vec(-1e9_f32..1e9, 1..80), cut in 0_usize..80,
        ) {
            let (tree, cut) = (SlotTree::new(values.len()), cut.min(values.len()));
            let mut fold = Fold::new(tree);
            for slots in [0..cut, cut..values.len()] {
                let parts = sums(tree, slots.clone(), &values).into_parts(tree, &slots).unwrap();
                let held: Vec<_> = parts.iter().map(|part| part.slots.clone()).collect();
                prop_assert_eq!(held, tree.cover(&slots));
                parts.into_iter().for_each(|part| fold.push(part));
            }
            prop_assert_eq!(fold.into_total().unwrap()[0].to_bits(), direct(&values).to_bits());
        }
    }

    #[test]
    fn memory_is_bounded_by_the_depth_of_the_tree() {
        let mut sums = SlotSums::new(SlotTree::new(1000), 0..1000);
        for _ in 0..1000 {
            sums.push(vec![1.0]);
            assert!(sums.fold.parts.len() <= 10);
        }
        assert_eq!(total(sums), 1000.0);
    }

    #[test]
    fn the_order_differs_from_a_running_sum() {
        let values = [1.0, 1e8, -1e8, 1.0];
        let total = total(sums(SlotTree::new(4), 0..4, &values));
        assert_ne!(total, values.iter().sum::<f32>());
    }

    #[test]
    fn misuse_is_refused_with_its_reason() {
        let tree = SlotTree::new(4);
        let reason = |pushes: &[usize], slots: Range<usize>| {
            let mut sums = SlotSums::new(tree, 0..2);
            pushes
                .iter()
                .for_each(|length| sums.push(vec![0.0; *length]));
            sums.into_parts(tree, &slots).unwrap_err().to_string()
        };
        assert!(reason(&[3, 3], 2..4).contains("of slots 0..2, this rank holds 2..4"));
        assert!(reason(&[3], 0..2).contains("slot 1 of 0..2 is missing"));
        assert!(reason(&[3, 4], 0..2).contains("slot 1 has 4 elements where 3 were expected"));
        assert!(reason(&[3, 3, 3], 0..2).contains("after those of slots 0..2"));
        let other = SlotSums::new(tree, 0..0).into_parts(SlotTree::new(5), &(0..0));
        assert!(
            other
                .unwrap_err()
                .to_string()
                .contains("of 4 slots, the group has 5")
        );
    }

    #[test]
    fn a_sum_of_all_slots_where_they_lie_is_the_trees() {
        let values: Vec<f32> = (0..13).map(|i| 10_f32.powi(i % 9 - 4) * 1.7).collect();
        let mut own = OwnSums::new(SlotTree::new(13), &(0..13));
        values.iter().for_each(|value| own.push(vec![*value]));
        let sum = own.into_sum().unwrap();
        assert_eq!(sum[0].to_bits(), direct(&values).to_bits());
        let nothing = OwnSums::<Vec<f32>>::new(SlotTree::new(13), &(4..4));
        assert!(nothing.into_sum().is_none());
    }

    #[test]
    fn a_rank_without_slots_has_no_parts() {
        let tree = SlotTree::new(4);
        assert!(
            SlotSums::new(tree, 2..2)
                .into_parts(tree, &(0..0))
                .unwrap()
                .is_empty()
        );
    }
}
