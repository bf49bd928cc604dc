//! Who owns which elements of a vector that is being reduced, and how an owner finishes the tree.
//!
//! Pure: the bytes are moved by a transport.

use std::ops::Range;

use crate::SlotTree;
use crate::sums::{Fold, Part};

/// Gives the elements that `rank` owns: contiguous ranges in rank order whose lengths differ by at most one.
pub(crate) fn owned(elements: usize, world: usize, rank: usize) -> Range<usize> {
    let (each, more) = (elements / world, elements % world);
    let start = rank * each + rank.min(more);
    start..start + each + usize::from(rank < more)
}

/// Cuts a vector into the owners' ranges, in rank order.
pub(crate) fn pieces(mut rest: &mut [f32], world: usize) -> Vec<&mut [f32]> {
    let elements = rest.len();
    let mut pieces = Vec::with_capacity(world);
    for rank in 0..world {
        let (piece, after) = rest.split_at_mut(owned(elements, world, rank).len());
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Copies the owned elements out of a rank's own parts.
pub(crate) fn restrict(parts: &[Part], elements: &Range<usize>) -> Vec<Part> {
    let restrict = |part: &Part| Part {
        slots: part.slots.clone(),
        values: part.values[elements.clone()].to_vec(),
    };
    parts.iter().map(restrict).collect()
}

/// Adds the parts of all ranks, given in any order, to the root's sum; none if a slot is missing.
pub(crate) fn finish(tree: SlotTree, mut parts: Vec<Part>) -> Option<Vec<f32>> {
    parts.sort_by_key(|part| part.slots.start);
    let mut fold = Fold::new(tree);
    parts.into_iter().for_each(|part| fold.push(part));
    fold.into_total()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_share_every_element_once_and_evenly() {
        for world in 1..=9 {
            for elements in 0..40 {
                let ranges: Vec<_> = (0..world)
                    .map(|rank| owned(elements, world, rank))
                    .collect();
                let all: Vec<usize> = ranges.iter().cloned().flatten().collect();
                assert_eq!(all, (0..elements).collect::<Vec<_>>());
                assert!(
                    ranges
                        .iter()
                        .all(|range| range.len().abs_diff(elements / world) <= 1)
                );
            }
        }
    }

    #[test]
    fn pieces_are_the_owned_ranges() {
        let mut vector: Vec<f32> = (0_u8..11).map(f32::from).collect();
        let whole = vector.clone();
        for (rank, piece) in pieces(&mut vector, 4).into_iter().enumerate() {
            assert_eq!(*piece, whole[owned(11, 4, rank)]);
        }
    }

    #[test]
    fn parts_finish_in_any_order_and_never_with_a_gap() {
        let part = |slots: Range<usize>, value| Part {
            slots,
            values: vec![value],
        };
        let tree = SlotTree::new(5);
        let parts = vec![part(4..5, 16.0), part(2..4, 8.0), part(0..2, 3.0)];
        assert_eq!(finish(tree, parts.clone()), Some(vec![27.0]));
        assert_eq!(finish(tree, parts[..2].to_vec()), None);
        assert_eq!(finish(tree, parts[1..].to_vec()), None);
        assert_eq!(finish(tree, Vec::new()), None);
    }

    #[test]
    fn restricting_keeps_slots_and_cuts_elements() {
        let parts = [Part {
            slots: 2..4,
            values: vec![1.0, 2.0, 3.0],
        }];
        assert_eq!(
            restrict(&parts, &(1..3)),
            [Part {
                slots: 2..4,
                values: vec![2.0, 3.0]
            }]
        );
    }
}
