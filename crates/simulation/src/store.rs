//! The simulated store: a journal of numbered objects, manifests, and the parts that ranks wrote.
//!
//! It is strongly consistent, as the real ones are: a read finds what was created before it. Who lists it slowly gets
//! what was there at an earlier moment. Every object is created once, and whoever finds one tells its own from others'.

use fratmae_control::{
    CheckpointId, Fence, Found, Generation, JournalFact, JournalState, Source, Step,
};
use std::collections::{BTreeMap, BTreeSet};

/// Who writes: no two coordinators have the same nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Writer {
    pub(crate) fence: Fence,
    pub(crate) nonce: usize,
}

/// What came of creating an object, or of looking whether one is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// Nothing was there.
    New,
    /// It was there, and the writer's own.
    Ours,
    /// Another writer's was there.
    Taken,
}

/// What a rank's part is, or is said to be: equal numbers for equal bytes.
pub(crate) type Digest = u64;

#[derive(Clone, Copy, Debug)]
struct Entry {
    since: u64,
    writer: Writer,
    fact: JournalFact,
}

/// What outlives every process.
#[derive(Debug, Default)]
pub(crate) struct Store {
    journal: Vec<Entry>,
    /// Manifests, and who committed them.
    manifests: BTreeMap<CheckpointId, Writer>,
    /// Checkpoints whose manifest named, when it was written, the part of each rank as it lay there, and nothing else.
    whole: BTreeSet<CheckpointId>,
    parts: BTreeMap<CheckpointId, BTreeMap<u32, Digest>>,
    /// Checkpoints of which a part is not what was written.
    damaged: BTreeSet<CheckpointId>,
}

impl Store {
    /// Creates the record of this number if there is none; a number that is taken stays as it is.
    pub(crate) fn create_record(
        &mut self,
        now: u64,
        number: u64,
        writer: Writer,
        fact: JournalFact,
    ) -> Created {
        match self.journal.get(number as usize) {
            Some(found) if found.writer == writer && found.fact == fact => Created::Ours,
            Some(_) => Created::Taken,
            None => {
                self.journal.push(Entry {
                    since: now,
                    writer,
                    fact,
                });
                Created::New
            }
        }
    }

    /// Who wrote the record of this number, if there is one.
    pub(crate) fn writer_of(&self, number: u64) -> Option<Writer> {
        self.journal.get(number as usize).map(|entry| entry.writer)
    }

    /// Creates a manifest, of a whole checkpoint or not; one of the same checkpoint by an older fence will do.
    pub(crate) fn create_manifest(
        &mut self,
        id: CheckpointId,
        writer: Writer,
        is_whole: bool,
    ) -> Created {
        match self.manifests.get(&id) {
            Some(found) if found.fence > writer.fence => Created::Taken,
            Some(_) => Created::Ours,
            None => {
                self.manifests.insert(id, writer);
                match is_whole {
                    true => self.whole.insert(id),
                    // Whoever reads it finds that.
                    false => self.damaged.insert(id),
                };
                Created::New
            }
        }
    }

    pub(crate) fn write_part(&mut self, id: CheckpointId, rank: u32, digest: Digest) {
        self.parts.entry(id).or_default().insert(rank, digest);
    }

    /// The ranks whose parts are missing among the named ones, or named and not there as named.
    pub(crate) fn wrong_parts(&self, id: CheckpointId, named: &BTreeMap<u32, Digest>) -> Vec<u32> {
        let ranks = 0..self.world(id.generation) as u32;
        let there = self.parts.get(&id);
        let is_right = |rank: &u32| {
            let digest = named.get(rank);
            digest.is_some() && digest == there.and_then(|there| there.get(rank))
        };
        let all: BTreeSet<u32> = ranks.chain(named.keys().copied()).collect();
        all.into_iter().filter(|rank| !is_right(rank)).collect()
    }

    /// How many members a generation was recorded with.
    pub(crate) fn world(&self, of: Generation) -> usize {
        let world = self
            .journal
            .iter()
            .rev()
            .find_map(|entry| match entry.fact {
                JournalFact::Generation {
                    generation,
                    members,
                } if generation == of => Some(members),
                _ => None,
            });
        world.unwrap_or_default() as usize
    }

    /// The newest checkpoint that is good and none of `but`, and what is passed over on the way to it.
    pub(crate) fn find(&self, but: &BTreeSet<CheckpointId>) -> Found {
        let mut found = Found::default();
        for id in self.manifests.keys().rev().filter(|id| !but.contains(id)) {
            if !self.damaged.contains(id) {
                found.good = Some(*id);
                break;
            }
            found.damaged.insert(*id);
        }
        found
    }

    fn commits(&self) -> impl Iterator<Item = (Fence, CheckpointId)> {
        self.journal.iter().filter_map(|entry| match entry.fact {
            JournalFact::Committed(id) => Some((entry.writer.fence, id)),
            _ => None,
        })
    }

    /// Whether a checkpoint of a step was ever recorded as committed.
    pub(crate) fn was_committed(&self, step: Step) -> bool {
        self.commits().any(|(_, id)| id.step == step)
    }

    /// How many checkpoints are damaged.
    pub(crate) fn n_damaged(&self) -> usize {
        self.damaged.len()
    }

    /// Damages the newest good checkpoint that nobody has given up.
    pub(crate) fn damage(&mut self) {
        let given_up = self.given_up(Fence::new(u64::MAX));
        self.damaged.extend(self.find(&given_up).good);
    }

    /// What the holder of `fence`, or one before it, has given up.
    pub(crate) fn given_up(&self, fence: Fence) -> BTreeSet<CheckpointId> {
        let entries = self.journal.iter();
        let removed = entries.filter_map(|entry| match entry.fact {
            JournalFact::Removed(id) if entry.writer.fence <= fence => Some(id),
            _ => None,
        });
        removed.collect()
    }

    /// How many checkpoints are committed and not given up, and were whole when they were.
    pub(crate) fn n_kept(&self) -> usize {
        let given_up = self.given_up(Fence::new(u64::MAX));
        let kept = self.commits().map(|(_, id)| id);
        let kept: BTreeSet<_> = kept.filter(|id| !given_up.contains(id)).collect();
        kept.intersection(&self.whole).count()
    }

    /// Deletes a manifest: no reader finds the checkpoint from now on.
    pub(crate) fn delete_manifest(&mut self, id: CheckpointId) {
        self.manifests.remove(&id);
    }

    /// Whether a generation that begins from there cannot.
    pub(crate) fn is_damaged(&self, source: Source) -> bool {
        match source {
            Source::Checkpoint { step, generation } => {
                self.damaged.contains(&CheckpointId { step, generation })
            }
            Source::Initial | Source::Peers { .. } => false,
        }
    }

    /// The journal as it was at a moment; with `forgets`, as for somebody who takes no notice of what is given up.
    pub(crate) fn replay(&self, moment: u64, forgets: bool) -> JournalState {
        let mut state = JournalState::default();
        let entries = self.journal.iter();
        for entry in entries.take_while(|entry| entry.since <= moment) {
            let fact = match entry.fact {
                JournalFact::Removed(_) if forgets => JournalFact::Other,
                fact => fact,
            };
            state.add(entry.writer.fence, fact);
        }
        state
    }

    /// The newest generation there is.
    pub(crate) fn generation(&self) -> Generation {
        self.replay(u64::MAX, false).recorded([]).generation
    }

    /// Who holds the newest fence.
    pub(crate) fn leader(&self) -> Option<usize> {
        self.journal.last().map(|entry| entry.writer.nonce)
    }

    /// The newest good step committed by the holder of `fence` or one before it, and not given up: what that one can know
    /// of.
    pub(crate) fn committed_until(&self, fence: Fence) -> Step {
        let given_up = self.given_up(fence);
        let known = self.commits().filter(|(its, _)| *its <= fence);
        let good = known.filter(|(_, id)| !self.damaged.contains(id) && !given_up.contains(id));
        good.map(|(_, id)| id.step).max().unwrap_or_default()
    }
}
