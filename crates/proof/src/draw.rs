//! Which steps an audit computes again: drawn at random among those that a checkpoint is near.

use crate::replay::Start;
use fratmae_checkpoint::CheckpointId;
use fratmae_dataset::KeyedRng;
use std::collections::BTreeMap;

/// Steps that were drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// How many steps could have been drawn.
    pub among: usize,
    /// The steps, in their order, by where computing them begins: the step before the first one that is computed.
    pub by_start: BTreeMap<u64, Vec<u64>>,
}

impl Drawn {
    /// The steps that were drawn, in their order.
    #[must_use]
    pub fn steps(&self) -> Vec<u64> {
        let mut steps = self
            .by_start
            .values()
            .flatten()
            .copied()
            .collect::<Vec<_>>();
        steps.sort_unstable();
        steps
    }

    /// Steps that are computed to get to them, themselves included.
    #[must_use]
    pub fn n_computed(&self) -> u64 {
        let of_start = |(start, steps): (&u64, &Vec<u64>)| {
            let last = steps.last().copied().unwrap_or(*start);
            last - start
        };
        self.by_start.iter().map(of_start).sum()
    }
}

/// Draws up to `n` of the steps from `began` + 1 to `last` that lie no more than `reach` after a kept checkpoint or the
/// first weights: the others cost as much as training up to them.
#[must_use]
pub fn draw(
    (n, seed): (usize, u64),
    (began, last): (u64, u64),
    kept: &[CheckpointId],
    reach: u64,
) -> Drawn {
    let start = |step: u64| {
        let start = Start::before(step, began, kept)?;
        let from = start.step();
        (step - from <= reach).then_some((from, step))
    };
    let near: Vec<_> = (began + 1..=last).filter_map(start).collect();
    let mut order = KeyedRng::new("audit", seed, &[]).permutation(near.len());
    order.truncate(n);
    order.sort_unstable();
    let mut by_start: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (from, step) in order.iter().filter_map(|at| near.get(*at as usize)) {
        by_start.entry(*from).or_default().push(*step);
    }
    Drawn {
        among: near.len(),
        by_start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::checkpoint;

    #[test]
    fn steps_that_are_near_a_start_are_drawn_and_no_others() {
        let kept = [checkpoint(20, 1), checkpoint(30, 2)];
        let drawn = draw((1000, 5), (0, 40), &kept, 4);
        assert_eq!(drawn.among, 12);
        let steps: Vec<u64> = [1..=4, 21..=24, 31..=34].into_iter().flatten().collect();
        assert_eq!(drawn.steps(), steps);
        assert_eq!(
            drawn.by_start.keys().copied().collect::<Vec<_>>(),
            [0, 20, 30]
        );
        assert_eq!(drawn.n_computed(), 12);
    }

    #[test]
    fn the_seed_decides_and_all_can_be_drawn() {
        let of = |seed| draw((3, seed), (0, 100), &[], 100).steps();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        let seen: std::collections::BTreeSet<u64> = (0..400).flat_map(of).collect();
        assert_eq!(seen.len(), 100);
    }

    #[test]
    fn a_fork_whose_first_checkpoint_is_gone_has_no_start_before_its_next_one() {
        let drawn = draw((9, 5), (10, 40), &[checkpoint(30, 2)], 4);
        assert_eq!(drawn.steps(), [31, 32, 33, 34]);
        assert_eq!(draw((9, 5), (10, 40), &[], 4), Drawn::default());
    }
}
