//! The simulated store: a journal of numbered objects, manifests, and the parts that ranks wrote.
//!
//! It is strongly consistent, as the real ones are: a read finds what was created before it. Who lists it slowly gets
//! what was there at an earlier moment. Every object is created once, and whoever finds one tells its own from others'.

use fratmae_control::{Generation, Recorded, Source, Step};
use std::collections::{BTreeMap, BTreeSet};

/// A journal record, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Fence,
    Generation {
        generation: Generation,
        members: u32,
    },
    Commit {
        generation: Generation,
        step: Step,
    },
    /// Something was wrong with a worker.
    Verdict,
    Finished,
    Interrupted,
}

/// Who writes: no two coordinators have the same nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Writer {
    pub(crate) fence: u64,
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

#[derive(Clone, Copy, Debug)]
struct Entry {
    since: u64,
    writer: Writer,
    record: Record,
}

/// The journal as a coordinator replays it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replayed {
    /// How many records it found.
    pub(crate) n_records: usize,
    pub(crate) fence: u64,
    pub(crate) recorded: Recorded,
    pub(crate) commits: BTreeSet<(Step, Generation)>,
}

/// What outlives every process.
#[derive(Debug, Default)]
pub(crate) struct Store {
    journal: Vec<Entry>,
    /// Manifests, and who committed them.
    manifests: BTreeMap<(Step, Generation), Writer>,
    parts: BTreeMap<(Generation, Step), BTreeSet<u32>>,
    /// Checkpoints of which a part is not what was written.
    damaged: BTreeSet<(Step, Generation)>,
}

impl Store {
    /// Creates the record of this number if there is none; a number that is taken stays as it is.
    pub(crate) fn create_record(
        &mut self,
        now: u64,
        number: usize,
        writer: Writer,
        record: Record,
    ) -> Created {
        if let Some(found) = self.journal.get(number) {
            let is_same = found.writer == writer && found.record == record;
            return if is_same {
                Created::Ours
            } else {
                Created::Taken
            };
        }
        self.journal.push(Entry {
            since: now,
            writer,
            record,
        });
        Created::New
    }

    /// Whose the record of this number is, if there is one.
    pub(crate) fn find_record(&self, number: usize, writer: Writer) -> Created {
        match self.journal.get(number) {
            None => Created::New,
            Some(found) if found.writer == writer => Created::Ours,
            Some(_) => Created::Taken,
        }
    }

    /// Creates a manifest; one of the same checkpoint by an older fence says the same and will do.
    pub(crate) fn create_manifest(&mut self, id: (Step, Generation), writer: Writer) -> Created {
        match self.manifests.get(&id) {
            Some(found) if found.fence > writer.fence => Created::Taken,
            Some(_) => Created::Ours,
            None => {
                self.manifests.insert(id, writer);
                Created::New
            }
        }
    }

    pub(crate) fn write_part(&mut self, generation: Generation, step: Step, rank: u32) {
        let parts = self.parts.entry((generation, step)).or_default();
        parts.insert(rank);
    }

    /// How many ranks' parts of a checkpoint are there.
    pub(crate) fn n_parts(&self, generation: Generation, step: Step) -> usize {
        self.parts.get(&(generation, step)).map_or(0, BTreeSet::len)
    }

    /// How many members a generation was recorded with.
    pub(crate) fn world(&self, generation: Generation) -> usize {
        let mut records = self.journal.iter().rev().map(|entry| entry.record);
        let world = records.find_map(|record| match record {
            Record::Generation {
                generation: its,
                members,
            } if its == generation => Some(members),
            _ => None,
        });
        world.unwrap_or_default() as usize
    }

    /// The newest checkpoint that is good.
    pub(crate) fn newest(&self) -> Option<(Step, Generation)> {
        let ids = self.manifests.keys().rev();
        ids.copied().find(|id| !self.damaged.contains(id))
    }

    /// Whether a checkpoint of a step was ever recorded as committed.
    pub(crate) fn was_committed(&self, step: Step) -> bool {
        let mut records = self.journal.iter().map(|entry| entry.record);
        records.any(|record| matches!(record, Record::Commit { step: its, .. } if its == step))
    }

    /// How many checkpoints are damaged.
    pub(crate) fn n_damaged(&self) -> usize {
        self.damaged.len()
    }

    /// Damages the newest good checkpoint.
    pub(crate) fn damage(&mut self) {
        self.damaged.extend(self.newest());
    }

    /// Whether a generation that begins from there cannot.
    pub(crate) fn is_damaged(&self, source: Source) -> bool {
        match source {
            Source::Checkpoint { step, generation } => self.damaged.contains(&(step, generation)),
            Source::Initial | Source::Peers { .. } => false,
        }
    }

    /// The journal as it was at a moment.
    pub(crate) fn replay(&self, moment: u64) -> Replayed {
        let n_records = self.journal.partition_point(|entry| entry.since <= moment);
        let mut replayed = Replayed {
            n_records,
            ..Replayed::default()
        };
        for entry in &self.journal[..n_records] {
            replayed.fence = entry.writer.fence;
            let recorded = &mut replayed.recorded;
            match entry.record {
                Record::Generation {
                    generation,
                    members,
                } => {
                    *recorded = Recorded {
                        generation,
                        members,
                    }
                }
                Record::Commit { generation, step } => {
                    recorded.generation = recorded.generation.max(generation);
                    replayed.commits.insert((step, generation));
                }
                Record::Finished | Record::Interrupted => recorded.members = 0,
                Record::Fence | Record::Verdict => {}
            }
        }
        replayed
    }

    /// The newest generation there is.
    pub(crate) fn generation(&self) -> Generation {
        self.replay(u64::MAX).recorded.generation
    }

    /// Who holds the newest fence.
    pub(crate) fn leader(&self) -> Option<usize> {
        self.journal.last().map(|entry| entry.writer.nonce)
    }

    /// The newest good step committed by the holder of `fence` or one before it: what that one can know of.
    pub(crate) fn committed_until(&self, fence: u64) -> Step {
        let known = self
            .journal
            .iter()
            .filter(|entry| entry.writer.fence <= fence);
        let steps = known.filter_map(|entry| match entry.record {
            Record::Commit { step, generation } => {
                (!self.damaged.contains(&(step, generation))).then_some(step)
            }
            _ => None,
        });
        steps.max().unwrap_or_default()
    }
}

/// A checkpoint as `control` names it.
pub(crate) fn source(newest: Option<(Step, Generation)>) -> Source {
    newest.map_or(Source::Initial, |(step, generation)| Source::Checkpoint {
        step,
        generation,
    })
}
