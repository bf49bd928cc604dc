//! What of a run's checkpoints may be deleted, and when.
//! Owns the order that makes deleting safe; reads no clock and touches no store, which is `sweep`'s.
//!
//! A checkpoint is given up by a record in the journal, which only the holder of the fence can write. Whoever takes over
//! reads that record before it chooses where to begin, so it does no harm if the coordinator before goes on deleting what
//! it had given up. The manifest goes next: from then on no reader finds the checkpoint. Its parts go after a delay, so
//! that whoever had read the manifest before finds them all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fratmae_control::Generation;

use crate::journal::record::Record;
use crate::layout::CheckpointId;
use crate::retention::Retention;
use crate::sweep::{Swept, Work};

/// What is known of a run's checkpoints by who collects them.
#[derive(Debug)]
pub struct Collector {
    retention: Retention,
    /// From giving up to deleting the parts.
    delay: Duration,
    /// Committed and not given up.
    kept: BTreeSet<CheckpointId>,
    /// The newest of them that was read and found whole since it was written.
    verified: Option<CheckpointId>,
    /// Damaged ones, which are a person's to look at.
    spared: BTreeSet<CheckpointId>,
    /// Given up, and since when this process knows; objects of them may still be there.
    removed: BTreeMap<CheckpointId, Instant>,
    /// Folders that were found and that nobody has committed.
    found: BTreeSet<CheckpointId>,
}

impl Collector {
    /// Knows of nothing yet.
    #[must_use]
    pub fn new(retention: Retention, delay: Duration) -> Self {
        Self {
            retention,
            delay,
            kept: BTreeSet::new(),
            verified: None,
            spared: BTreeSet::new(),
            removed: BTreeMap::new(),
            found: BTreeSet::new(),
        }
    }

    /// A checkpoint is committed, and the journal says so.
    pub fn committed(&mut self, id: CheckpointId) {
        self.found.remove(&id);
        self.kept.insert(id);
    }

    /// A checkpoint was read and is whole.
    pub fn verified(&mut self, id: CheckpointId) {
        if self.kept.contains(&id) {
            self.verified = self.verified.max(Some(id));
        }
    }

    /// The checkpoint to read before more may be given up: the newest one, unless one that stays is known to be whole.
    ///
    /// That a checkpoint is committed shows that its parts are there, and not what is in them.
    #[must_use]
    pub fn to_verify(&self) -> Option<CheckpointId> {
        let surplus = self.retention.surplus(&self.kept);
        let stays = |id| !surplus.contains(&id);
        match surplus.is_empty() || self.verified.is_some_and(stays) {
            true => None,
            false => self.kept.last().copied(),
        }
    }

    /// Those that are not kept, without the last one that is known to be whole; none before there is one.
    fn surplus(&self) -> Vec<CheckpointId> {
        let Some(whole) = self.verified else {
            return Vec::new();
        };
        let mut surplus = self.retention.surplus(&self.kept);
        surplus.retain(|id| *id != whole);
        surplus
    }

    /// A checkpoint is damaged: it does not count as one that is kept, and it is left as it is.
    pub fn spare(&mut self, id: CheckpointId) {
        self.forget(id);
        self.spared.insert(id);
    }

    /// A checkpoint is kept no more, and so it vouches for no other one.
    fn forget(&mut self, id: CheckpointId) {
        self.kept.remove(&id);
        self.verified.take_if(|whole| *whole == id);
    }

    /// Those that nobody may begin from: damaged ones, and those that are given up.
    #[must_use]
    pub fn unusable(&self) -> BTreeSet<CheckpointId> {
        let removed = self.removed.keys();
        self.spared.iter().chain(removed).copied().collect()
    }

    /// A checkpoint is given up, and the journal says so.
    pub fn removed(&mut self, id: CheckpointId, now: Instant) {
        self.forget(id);
        self.found.remove(&id);
        self.removed.insert(id, now);
    }

    /// What should be given up now, as records to append: surplus checkpoints, but never the last one that is known to
    /// be whole, and what generations before `current` left behind. No rank of theirs writes for a commit any more, for
    /// a generation is committed by its own coordinator or not at all.
    #[must_use]
    pub fn to_remove(&self, current: Generation) -> Vec<(CheckpointId, Record)> {
        let is_over = |id: &&CheckpointId| id.generation < current;
        let left_behind = self.found.iter().filter(is_over).copied();
        let record = |id: CheckpointId| {
            let (step, generation) = (id.step.get(), id.generation.get());
            (id, Record::Removed { step, generation })
        };
        self.surplus()
            .into_iter()
            .chain(left_behind)
            .map(record)
            .collect()
    }

    /// What may be deleted at `now`: manifests of all that is given up, parts of what has been for the delay, and what is
    /// unfinished of generations before `current`.
    #[must_use]
    pub fn work(&self, now: Instant, current: Generation) -> Work {
        let is_due = |since: &Instant| now.saturating_duration_since(*since) >= self.delay;
        let due = self.removed.iter().filter(|(_, since)| is_due(since));
        Work {
            removed: self.removed.keys().copied().collect(),
            due: due.map(|(id, _)| *id).collect(),
            over: current,
        }
    }

    /// Takes in what was found and done.
    pub fn swept(&mut self, swept: &Swept) {
        self.removed.retain(|id, _| swept.found.contains(id));
        let is_known = |id: &CheckpointId| {
            self.kept.contains(id) || self.spared.contains(id) || self.removed.contains_key(id)
        };
        let found = swept.found.iter().filter(|id| !is_known(id));
        self.found = found.copied().collect();
    }
}

#[cfg(test)]
mod tests;
