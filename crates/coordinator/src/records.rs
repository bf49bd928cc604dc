//! What the records of a journal come to, taken together.

use fratmae_checkpoint::{CheckpointId, Manifest, Newest, Record};
use fratmae_control::{Generation, Step};
use std::collections::BTreeSet;

/// Whether the journal knows of a newer checkpoint than what was found, or that what was found is given up.
pub(crate) fn is_outdated(newest: &Newest, records: &[Record]) -> bool {
    let removed = removed(records);
    let found = newest.manifest.as_ref().map(Manifest::id);
    let damaged = newest.damaged.iter().map(|(id, _)| *id);
    let seen: BTreeSet<_> = damaged.chain(found).collect();
    let kept = committed(records).filter(|id| !removed.contains(id));
    seen.iter().any(|id| removed.contains(id)) || kept.max() > seen.last().copied()
}

/// All that is given up: one by one, or by taking the run back to a checkpoint before it.
pub(crate) fn removed(records: &[Record]) -> BTreeSet<CheckpointId> {
    let (mut committed, mut removed) = (BTreeSet::new(), BTreeSet::new());
    for record in records {
        match record {
            Record::Commit { step, generation } => drop(committed.insert(id(*step, *generation))),
            Record::Removed { step, generation } => drop(removed.insert(id(*step, *generation))),
            Record::RolledBack { step, generation } => {
                let kept = id(*step, *generation);
                removed.extend(committed.iter().filter(|id| **id > kept));
            }
            _ => {}
        }
    }
    removed
}

const fn id(step: u64, generation: u64) -> CheckpointId {
    CheckpointId {
        step: Step::new(step),
        generation: Generation::new(generation),
    }
}

/// The step that the run was taken back to, if no generation has begun since.
pub(crate) fn rolled_back(records: &[Record]) -> Option<u64> {
    let news = records.iter().rev().find_map(|record| match record {
        Record::RolledBack { step, .. } => Some(Some(*step)),
        Record::Generation { .. } => Some(None),
        _ => None,
    });
    news.flatten()
}

/// The newest generation of before the run was last taken back: what its workers hold is given up.
pub(crate) fn given_up(records: &[Record]) -> Generation {
    let is_rollback = |record: &Record| matches!(record, Record::RolledBack { .. });
    let before = records.iter().rposition(is_rollback).unwrap_or(0);
    let generations = records[..before].iter().filter_map(|record| match record {
        Record::Generation { generation, .. } => Some(*generation),
        _ => None,
    });
    Generation::new(generations.max().unwrap_or(0))
}

/// All that was ever committed, in the order of the records.
pub(crate) fn committed(records: &[Record]) -> impl Iterator<Item = CheckpointId> {
    records.iter().filter_map(|record| match record {
        Record::Commit { step, generation } => Some(id(*step, *generation)),
        _ => None,
    })
}

/// Whether a checkpoint's commit is recorded.
pub(crate) fn is_recorded(records: &[Record], id: CheckpointId) -> bool {
    committed(records).any(|recorded| recorded == id)
}

/// Members of the newest generation that nobody told to end: their coordinator vanished.
pub(crate) fn surviving_members(records: &[Record]) -> u32 {
    let told = |members, record: &Record| match record {
        Record::Generation { members, .. } => u32::try_from(members.len()).unwrap_or(u32::MAX),
        Record::Finished { .. } | Record::Interrupted { .. } | Record::RolledBack { .. } => 0,
        Record::Fence { .. }
        | Record::Commit { .. }
        | Record::Removed { .. }
        | Record::Skipped { .. }
        | Record::BadBatch { .. }
        | Record::Verdict { .. }
        | Record::Forked { .. } => members,
    };
    records.iter().fold(0, told)
}

/// No later generation may share a number with any object that exists, good or damaged, nor with one whose record is torn.
pub(crate) fn highest_generation(records: &[Record], newest: &Newest, n_torn: u64) -> Generation {
    let recorded = records.iter().filter_map(|record| match record {
        Record::Generation { generation, .. }
        | Record::Commit { generation, .. }
        | Record::Removed { generation, .. } => Some(*generation),
        _ => None,
    });
    let damaged = newest.damaged.iter().map(|(id, _)| id.generation.get());
    let good = newest.manifest.iter().map(|manifest| manifest.generation);
    let highest = recorded.chain(damaged).chain(good).max().unwrap_or(0);
    Generation::new(highest.saturating_add(n_torn))
}

#[cfg(test)]
mod tests;
