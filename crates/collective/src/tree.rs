//! The one fixed binary tree over slot numbers in which gradients are added.
//!
//! It knows numbers only: values are added in `sums.rs`.

use std::ops::Range;

/// The binary tree over slot numbers: a node splits at the largest power of two below its length.
///
/// So the value of a node is (left) + (right), and the shape depends on the number of slots alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotTree {
    slots: usize,
}

impl SlotTree {
    /// Makes the tree over slots `0..slots`.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self { slots }
    }

    /// Counts the slots.
    #[must_use]
    pub fn slots(self) -> usize {
        self.slots
    }

    /// Lists, in slot order, the largest complete subtrees that together cover `slots`.
    #[must_use]
    pub fn cover(self, slots: &Range<usize>) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if !slots.is_empty() {
            collect(0..self.slots, slots, &mut found);
        }
        found
    }

    /// Tells whether the two are the children of one node.
    pub(crate) fn are_siblings(self, left: &Range<usize>, right: &Range<usize>) -> bool {
        let parent = left.start..right.end;
        left.end == right.start && self.is_node(&parent) && split(&parent) == left.end
    }

    /// Nodes are the aligned blocks of a power of two, the last of each size cut off at the number of slots.
    fn is_node(self, range: &Range<usize>) -> bool {
        let block = range.len().next_power_of_two();
        range.start.is_multiple_of(block) && (range.len() == block || range.end == self.slots)
    }
}

fn collect(node: Range<usize>, wanted: &Range<usize>, found: &mut Vec<Range<usize>>) {
    if wanted.start <= node.start && node.end <= wanted.end {
        found.push(node);
    } else if node.len() > 1 && node.start < wanted.end && wanted.start < node.end {
        let middle = split(&node);
        collect(node.start..middle, wanted, found);
        collect(middle..node.end, wanted, found);
    }
}

/// Where a node of at least two slots is split.
fn split(node: &Range<usize>) -> usize {
    node.start + node.len().next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_shape_is_frozen() {
        let shape = |slots: usize, start, end| SlotTree::new(slots).cover(&(start..end));
        assert_eq!(shape(8, 3, 8), [3..4, 4..8]);
        assert_eq!(shape(8, 1, 7), [1..2, 2..4, 4..6, 6..7]);
        assert_eq!(shape(7, 4, 7), vec![4..7]);
        assert_eq!(shape(9, 1, 9), [1..2, 2..4, 4..8, 8..9]);
        assert_eq!(shape(5, 0, 5), vec![0..5]);
        assert!(shape(5, 3, 3).is_empty());
        assert!(shape(0, 0, 0).is_empty());
    }

    #[test]
    fn siblings_are_children_of_one_node() {
        let tree = SlotTree::new(7);
        assert!(tree.are_siblings(&(0..1), &(1..2)));
        assert!(tree.are_siblings(&(4..6), &(6..7)));
        assert!(tree.are_siblings(&(0..4), &(4..7)));
        assert!(!tree.are_siblings(&(1..2), &(2..3)));
        assert!(!tree.are_siblings(&(2..4), &(4..6)));
        assert!(!tree.are_siblings(&(0..1), &(2..3)));
        assert!(!tree.are_siblings(&(4..5), &(5..7)));
    }

    /// Lists every node by splitting from the root, as the definition says.
    fn all_nodes(node: Range<usize>, nodes: &mut Vec<Range<usize>>) {
        nodes.push(node.clone());
        if node.len() > 1 {
            let half = (0..usize::BITS)
                .map(|bit| 1 << bit)
                .filter(|power| *power < node.len())
                .max();
            let middle = node.start + half.unwrap();
            all_nodes(node.start..middle, nodes);
            all_nodes(middle..node.end, nodes);
        }
    }

    proptest! {
        #[test]
        fn subtrees_cover_a_range_once_and_none_could_be_larger(slots in 1_usize..200, a in 0_usize..200, b in 0_usize..200) {
            let (start, end) = (a.min(b).min(slots), a.max(b).min(slots));
            let tree = SlotTree::new(slots);
            let cover = tree.cover(&(start..end));
            let covered: Vec<usize> = cover.iter().cloned().flatten().collect();
            prop_assert_eq!(covered, (start..end).collect::<Vec<_>>());
            for pair in cover.windows(2) {
                prop_assert!(!tree.are_siblings(&pair[0], &pair[1]));
            }
        }

        #[test]
        fn the_quick_node_test_agrees_with_the_definition(slots in 1_usize..70) {
            let mut nodes = Vec::new();
            all_nodes(0..slots, &mut nodes);
            for start in 0..slots {
                for end in start + 1..=slots {
                    prop_assert_eq!(SlotTree::new(slots).is_node(&(start..end)), nodes.contains(&(start..end)));
                }
            }
        }
    }
}
