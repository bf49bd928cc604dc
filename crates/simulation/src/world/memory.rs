//! Memory that does not keep what is in it: once, or again and again in one process.
//!
//! Ranks compare sums over the bits of what they hold before anything of a step is used, so a fault is noticed and the
//! step is not applied. Who holds what is not the others' forgets it; where there is no majority all do, and go back to a
//! checkpoint. A bit that is stuck is noticed by its own process where there is no majority, as it differs from a moment
//! ago. It also makes what is read from a sound checkpoint look damaged.

use super::World;
use crate::worker::{Fact, Memory};
use fratmae_control::{Rank, Source};

/// In so many cases of a thousand a fault shows at once.
const SHOWS: u64 = 800;
/// And in so many of those its own process is the one that notices.
const OWN: u64 = 500;
/// In so many a bit that is stuck lies where a checkpoint is read to.
const READS_WRONG: u64 = 300;
/// For so long who differs keeps its connections, at least.
const FIRST_WORD: u64 = 250;

impl World {
    pub(super) fn spoil_memory(&mut self, place: usize, memory: Memory) {
        let worker = &mut self.workers[place];
        if worker.group.is_some() && worker.memory != Memory::Stuck {
            worker.memory = memory;
        }
    }

    /// Whether the members find that one of them holds something else; the group is broken then.
    pub(super) fn finds_difference(&mut self, group: usize) -> bool {
        if self
            .workers
            .iter()
            .all(|worker| worker.memory == Memory::Sound)
        {
            return false;
        }
        let members = self.members(group);
        let mut spoilt = Vec::new();
        for (rank, place, _) in &members {
            if self.workers[*place].memory != Memory::Sound && self.random.chance(SHOWS) {
                spoilt.push((*rank, *place));
            }
        }
        let Some(&(first, _)) = spoilt.first() else {
            return false;
        };
        let has_majority = 2 * spoilt.len() < members.len();
        let is_stuck = |(_, place): &(Rank, usize)| self.workers[*place].memory == Memory::Stuck;
        let notices = spoilt.iter().any(is_stuck) && !has_majority || self.random.chance(OWN);
        for (rank, place, _) in members {
            let is_spoilt = spoilt.iter().any(|(_, its)| *its == place);
            let is_said = if notices { is_spoilt } else { has_majority };
            if is_spoilt || !notices && !has_majority {
                self.workers[place].held = None;
            }
            if is_spoilt {
                self.disturb(place, self.agenda.now());
            }
            if is_spoilt && self.workers[place].memory == Memory::Flipped {
                self.workers[place].memory = Memory::Sound;
            }
            if is_said {
                let differs = if notices { rank } else { first };
                self.say_broken(place, group, Fact::Differs(differs));
            }
        }
        // Its peers see the connections close only when it is known who differs.
        self.break_group_after(group, if notices { FIRST_WORD } else { 1 });
        true
    }

    /// Whether a member takes a sound checkpoint for damaged, as a bit is stuck where it reads it to.
    pub(super) fn reads_wrong(&mut self, group: usize, source: Source) -> bool {
        let Source::Checkpoint { step, generation } = source else {
            return false;
        };
        let is_stuck =
            |(_, place, _): &(Rank, usize, u64)| self.workers[*place].memory == Memory::Stuck;
        let reader = self.members(group).into_iter().find(is_stuck);
        let Some((_, place, _)) = reader.filter(|_| self.random.chance(READS_WRONG)) else {
            return false;
        };
        self.unfit_since.get_or_insert(self.agenda.now());
        self.say_broken(place, group, Fact::Damaged(generation, step));
        self.break_group(group);
        true
    }

    /// A member leaves a group that is broken, and says what it knows of the reason.
    fn say_broken(&mut self, place: usize, group: usize, fact: Fact) {
        self.workers[place].group = None;
        let generation = self.groups[group].assignment.generation;
        if self.workers[place].announced <= generation {
            self.tell_fact(place, fact);
        }
        self.work(place);
    }
}
