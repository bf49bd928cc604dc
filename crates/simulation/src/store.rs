//! The simulated store: a journal with a fence, manifests, and the parts that ranks wrote.

use fratmae_control::{Generation, Recorded, Source, Step};
use std::collections::{BTreeMap, BTreeSet};

/// A journal record, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
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
    Finished,
}

/// What outlives every process.
#[derive(Debug, Default)]
pub(crate) struct Store {
    journal: Vec<(u64, Record)>,
    commits: BTreeMap<Step, Generation>,
    parts: BTreeMap<(Generation, Step), BTreeSet<u32>>,
}

impl Store {
    /// Appends a record for the holder of `fence`; refused once a newer fence is there.
    pub(crate) fn append(&mut self, fence: u64, record: Record) -> bool {
        if fence < self.fence() {
            return false;
        }
        if let Record::Commit { generation, step } = record {
            self.commits.insert(step, generation);
        }
        self.journal.push((fence, record));
        true
    }

    pub(crate) fn fence(&self) -> u64 {
        self.journal.last().map_or(0, |(fence, _)| *fence)
    }

    pub(crate) fn write_part(&mut self, generation: Generation, step: Step, rank: u32) {
        self.parts
            .entry((generation, step))
            .or_default()
            .insert(rank);
    }

    /// How many ranks' parts of a checkpoint are there.
    pub(crate) fn n_parts(&self, generation: Generation, step: Step) -> usize {
        self.parts.get(&(generation, step)).map_or(0, BTreeSet::len)
    }

    /// What a coordinator that opens the run finds.
    pub(crate) fn recorded(&self) -> Recorded {
        let newest = self
            .journal
            .iter()
            .rev()
            .find_map(|(_, record)| match record {
                Record::Generation {
                    generation,
                    members,
                } => Some((*generation, *members)),
                Record::Fence | Record::Commit { .. } | Record::Finished => None,
            });
        let (generation, members) = newest.unwrap_or_default();
        Recorded {
            generation,
            members,
        }
    }

    /// The newest step committed by the holder of `fence` or one before it: what that one can know of.
    pub(crate) fn committed_until(&self, fence: u64) -> Step {
        let known = self.journal.iter().filter(|(its, _)| *its <= fence);
        let steps = known.filter_map(|(_, record)| match record {
            Record::Commit { step, .. } => Some(*step),
            Record::Fence | Record::Generation { .. } | Record::Finished => None,
        });
        steps.max().unwrap_or_default()
    }

    pub(crate) fn newest(&self) -> Source {
        let newest = self.commits.last_key_value();
        newest.map_or(Source::Initial, |(step, generation)| Source::Checkpoint {
            step: *step,
            generation: *generation,
        })
    }
}
