//! Partial sums of complete subtrees, in bounded memory.
//!
//! Owns the only place where gradients are added; it does not know ranks.

use std::ops::Range;

use crate::{CollectiveError, SlotTree};

/// The sum of one complete subtree, whole or one element range of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub(crate) slots: Range<usize>,
    pub(crate) values: Vec<f32>,
}

/// Parts in slot order, in which siblings are added as soon as both are there.
#[derive(Debug)]
pub(crate) struct Fold {
    tree: SlotTree,
    parts: Vec<Part>,
}

impl Fold {
    pub(crate) fn new(tree: SlotTree) -> Self {
        Self {
            tree,
            parts: Vec::new(),
        }
    }

    /// Adds the part that follows the last one in slot order.
    pub(crate) fn push(&mut self, part: Part) {
        let mut right = part;
        while let Some(left) = self
            .parts
            .pop_if(|left| self.tree.are_siblings(&left.slots, &right.slots))
        {
            right = add(left, &right);
        }
        self.parts.push(right);
    }

    /// Gives the root's sum, if every slot is there.
    pub(crate) fn into_total(mut self) -> Option<Vec<f32>> {
        let root = self.parts.pop()?;
        (root.slots == (0..self.tree.slots())).then_some(root.values)
    }
}

fn add(mut left: Part, right: &Part) -> Part {
    for (sum, value) in left.values.iter_mut().zip(&right.values) {
        *sum += *value;
    }
    left.slots.end = right.slots.end;
    left
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
