//! How a coordinator takes a run over: with which fence, whether to look at the checkpoints again, and what the run goes
//! on from. Reads and writes nothing.

use crate::cluster::Recorded;
use crate::command::Source;
use crate::journal::{CheckpointId, JournalState, JournalWriter};
use std::collections::BTreeSet;

/// Times that a coordinator which meets others taking over tries again before it gives way.
const TAKE_OVERS: u32 = 5;

/// The checkpoints that a store was found to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The newest one that passes every check.
    pub good: Option<CheckpointId>,
    /// Newer ones that are damaged.
    pub damaged: BTreeSet<CheckpointId>,
}

/// A run whose journal and checkpoints were read; its fence is yet to be taken.
#[derive(Debug)]
pub struct TakeOver {
    journal: JournalState,
    found: Found,
    n_lost: u32,
}

impl TakeOver {
    /// What was found, the journal first.
    #[must_use]
    pub const fn new(journal: JournalState, found: Found) -> Self {
        Self {
            journal,
            found,
            n_lost: 0,
        }
    }

    /// What to take the fence with.
    #[must_use]
    pub const fn writer(&self) -> JournalWriter {
        self.journal.writer()
    }

    /// Another coordinator was faster, and this is the journal since; gives whether to try again.
    pub fn lost(&mut self, journal: JournalState) -> bool {
        self.journal = journal;
        self.n_lost += 1;
        self.n_lost < TAKE_OVERS
    }

    /// The fence is taken: nobody else writes any more.
    #[must_use]
    pub fn taken(self) -> TakenOver {
        TakenOver {
            journal: self.journal,
            found: self.found,
            has_looked_again: false,
        }
    }
}

/// A run whose fence is taken.
#[derive(Debug)]
pub struct TakenOver {
    journal: JournalState,
    found: Found,
    has_looked_again: bool,
}

/// What a coordinator that has taken a run over does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakeOverStep {
    /// Find the newest good checkpoint again, without these; [`TakenOver::found`].
    FindNewest {
        /// Those that are given up.
        but: BTreeSet<CheckpointId>,
    },
    /// Write the commit of this checkpoint, whose coordinator died between manifest and record; [`TakenOver::recorded_commit`].
    Record(CheckpointId),
    /// Let workers come.
    Serve {
        /// The generation that was the newest.
        recorded: Recorded,
        /// What the run goes on from.
        newest: Source,
    },
}

impl TakenOver {
    /// What the journal says up to the fence.
    #[must_use]
    pub const fn journal(&self) -> &JournalState {
        &self.journal
    }

    /// What to do next.
    #[must_use]
    pub fn next(&self) -> TakeOverStep {
        if !self.has_looked_again && self.is_outdated() {
            let but = self.journal.removed().clone();
            return TakeOverStep::FindNewest { but };
        }
        match self.found.good {
            Some(id) if !self.journal.committed().contains(&id) => TakeOverStep::Record(id),
            newest => TakeOverStep::Serve {
                recorded: self.recorded(),
                newest: newest.into(),
            },
        }
    }

    /// The newest generation.
    ///
    /// One whose checkpoints are lost, as they are damaged or given up, counts as over: its members would tell of their
    /// parts again, and what is in its folders cannot be committed a second time. They go on in another one.
    fn recorded(&self) -> Recorded {
        let Found { good, damaged } = &self.found;
        let known = self.journal.committed().iter().chain(damaged);
        let lost = known.filter(|id| Some(**id) > *good);
        let after_lost = lost.map(|id| id.generation.next());
        let of_good = good.iter().map(|id| id.generation);
        self.journal.recorded(of_good.chain(after_lost))
    }

    /// The checkpoints were looked at again.
    pub fn found(&mut self, found: Found) {
        self.found = found;
        self.has_looked_again = true;
    }

    /// The commit of this checkpoint is written.
    pub fn recorded_commit(&mut self, id: CheckpointId) {
        self.journal.record_commit(id);
    }

    /// Whether the journal knows of a newer checkpoint than the good one, which was not seen, or that what was found is
    /// given up: the coordinator before went on until the fence was taken.
    fn is_outdated(&self) -> bool {
        let (committed, removed) = (self.journal.committed(), self.journal.removed());
        let Found { good, damaged } = &self.found;
        let is_unseen = |id: &CheckpointId| Some(*id) > *good && !damaged.contains(id);
        let mut seen = damaged.iter().chain(good);
        committed.difference(removed).any(is_unseen) || seen.any(|id| removed.contains(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Fence, Generation, Step};
    use crate::journal::JournalFact;

    const SEEN: CheckpointId = id(10, 1);
    const NEWER: CheckpointId = id(20, 2);

    const fn id(step: u64, generation: u64) -> CheckpointId {
        CheckpointId {
            step: Step::new(step),
            generation: Generation::new(generation),
        }
    }

    fn journal(facts: &[JournalFact]) -> JournalState {
        let mut state = JournalState::default();
        for fact in facts {
            state.add(Fence::new(1), *fact);
        }
        state
    }

    fn taken(facts: &[JournalFact], good: Option<CheckpointId>) -> TakenOver {
        let damaged = BTreeSet::new();
        TakeOver::new(journal(facts), Found { good, damaged }).taken()
    }

    fn serve(generation: u64, newest: Option<CheckpointId>) -> TakeOverStep {
        TakeOverStep::Serve {
            recorded: Recorded {
                generation: Generation::new(generation),
                members: 0,
            },
            newest: newest.into(),
        }
    }

    fn look_again(but: &[CheckpointId]) -> TakeOverStep {
        let but = but.iter().copied().collect();
        TakeOverStep::FindNewest { but }
    }

    #[test]
    fn what_was_committed_before_the_fence_was_taken_is_looked_for_once() {
        assert_eq!(taken(&[], None).next(), serve(0, None));
        let committed = JournalFact::Committed(NEWER);
        let removed = JournalFact::Removed(NEWER);
        assert_eq!(taken(&[committed, removed], None).next(), serve(3, None));
        let mut outdated = taken(&[committed], Some(SEEN));
        assert_eq!(outdated.next(), look_again(&[]));
        // Its objects are gone, so nothing newer is found.
        let good = Some(SEEN);
        let damaged = BTreeSet::new();
        outdated.found(Found { good, damaged });
        assert_eq!(outdated.next(), TakeOverStep::Record(SEEN));
        outdated.recorded_commit(SEEN);
        assert_eq!(outdated.next(), serve(3, Some(SEEN)));
    }

    #[test]
    fn a_generation_whose_checkpoint_is_lost_is_over_although_its_members_train() {
        let begun = |number| JournalFact::Generation {
            generation: Generation::new(number),
            members: 3,
        };
        let committed = [
            begun(1),
            JournalFact::Committed(SEEN),
            begun(2),
            JournalFact::Committed(NEWER),
        ];
        let goes_on_in = |facts: &[JournalFact], good, damaged: &[CheckpointId]| {
            let damaged = damaged.iter().copied().collect();
            let taken = TakeOver::new(journal(facts), Found { good, damaged }).taken();
            let TakeOverStep::Serve { recorded, .. } = taken.next() else {
                panic!("{taken:?}")
            };
            (recorded.generation.get(), recorded.members)
        };
        assert_eq!(goes_on_in(&committed, Some(NEWER), &[]), (2, 3));
        assert_eq!(goes_on_in(&committed, Some(SEEN), &[NEWER]), (3, 3));
        // Of the next generation none is committed yet.
        let begun_anew = [&committed[..], &[begun(3)]].concat();
        assert_eq!(goes_on_in(&begun_anew, Some(SEEN), &[NEWER]), (3, 3));
        // Its commit was not recorded.
        assert_eq!(goes_on_in(&committed[..3], Some(SEEN), &[NEWER]), (3, 3));
        // All others are given up, and the newest is damaged.
        let given_up = [&committed[..], &[JournalFact::Removed(SEEN)]].concat();
        assert_eq!(goes_on_in(&given_up, None, &[NEWER]), (3, 3));
    }

    #[test]
    fn what_was_seen_is_looked_at_again_if_it_was_given_up() {
        let committed = [JournalFact::Committed(SEEN), JournalFact::Committed(NEWER)];
        let with = |last| [&committed[..], &[last]].concat();
        let seen = |facts: &[JournalFact]| taken(facts, Some(NEWER)).next();
        assert_eq!(seen(&committed), serve(2, Some(NEWER)));
        assert_eq!(
            seen(&with(JournalFact::Removed(NEWER))),
            look_again(&[NEWER])
        );
        assert_eq!(
            seen(&with(JournalFact::RolledBack(SEEN))),
            look_again(&[NEWER])
        );
        let damaged = Found {
            good: Some(SEEN),
            damaged: BTreeSet::from([NEWER]),
        };
        let next = |facts: &[JournalFact]| {
            let take_over = TakeOver::new(journal(facts), damaged.clone());
            take_over.taken().next()
        };
        assert_eq!(next(&committed), serve(3, Some(SEEN)));
        assert_eq!(
            next(&with(JournalFact::Removed(NEWER))),
            look_again(&[NEWER])
        );
        // Older than the damaged one, and newer than the good one.
        let between = JournalFact::Committed(id(15, 3));
        assert_eq!(next(&with(between)), look_again(&[]));
    }

    #[test]
    fn generations_are_numbered_above_every_object() {
        let good = Some(SEEN);
        let damaged = BTreeSet::from([id(30, 9)]);
        let mut torn = journal(&[JournalFact::Committed(SEEN)]);
        torn.add_torn();
        let taken = TakeOver::new(torn, Found { good, damaged }).taken();
        assert_eq!(
            taken.next(),
            serve(11, good),
            "9 is over, and the torn one may be of 10"
        );
    }

    #[test]
    fn whoever_is_slower_again_and_again_gives_way() {
        let mut take_over = TakeOver::new(journal(&[]), Found::default());
        let tries = (1..).take_while(|_| take_over.lost(journal(&[JournalFact::Other])));
        assert_eq!(tries.count(), 4);
        assert_eq!(take_over.writer(), JournalWriter::new(Fence::new(2), 1));
    }
}
