//! Which checkpoints are worth their space.
//! Owns the choice alone; deleting is `collector`'s and `sweep`'s.

use std::collections::BTreeSet;

use crate::layout::CheckpointId;

/// What a run keeps of its checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The newest ones; at least one, whatever is asked for.
    pub last: u64,
    /// Those of steps that are multiples of this; 0 for none.
    pub every: u64,
}

impl Retention {
    /// Those of `checkpoints` that are not kept, oldest first.
    #[must_use]
    pub fn surplus(&self, checkpoints: &BTreeSet<CheckpointId>) -> Vec<CheckpointId> {
        let last = usize::try_from(self.last.max(1)).unwrap_or(usize::MAX);
        let older = checkpoints.len().saturating_sub(last);
        let is_kept =
            |id: &&CheckpointId| self.every > 0 && id.step.get().is_multiple_of(self.every);
        let older = checkpoints.iter().take(older);
        older.filter(|id| !is_kept(id)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_control::{Generation, Step};

    fn surplus(last: u64, every: u64, steps: &[u64]) -> Vec<u64> {
        let id = |&step: &u64| CheckpointId {
            step: Step::new(step),
            generation: Generation::new(1),
        };
        let ids = steps.iter().map(id).collect();
        let surplus = Retention { last, every }.surplus(&ids);
        surplus.iter().map(|id| id.step.get()).collect()
    }

    #[test]
    fn newest_and_multiples_stay() {
        let steps = [10, 20, 30, 40, 50, 60];
        assert_eq!(surplus(2, 0, &steps), [10, 20, 30, 40]);
        assert_eq!(surplus(2, 20, &steps), [10, 30]);
        assert!(surplus(6, 0, &steps).is_empty());
        assert!(surplus(u64::MAX, 0, &steps).is_empty());
    }

    #[test]
    fn newest_one_stays_whatever_is_asked_for() {
        assert_eq!(surplus(0, 0, &[10, 20]), [10]);
        assert!(surplus(0, 0, &[]).is_empty());
    }
}
