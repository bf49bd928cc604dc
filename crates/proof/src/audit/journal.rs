//! The journal by itself: who wrote each record, and in which order they come.

use super::{Check, Judgement};
use crate::evidence::Evidence;
use crate::samples::commits;
use crate::subject::{checkpoint, removed};
use fratmae_checkpoint::{CheckpointId, CommitDigests, Entry, Record};
use std::collections::{BTreeMap, BTreeSet};

/// The checkpoints that the journal committed and has not given up, with what it keeps of each.
pub(super) fn committed(evidence: &Evidence) -> BTreeMap<CheckpointId, CommitDigests> {
    let entries = || evidence.subject.entries.iter().flatten();
    let mut committed = BTreeMap::new();
    for entry in entries() {
        if let Record::Commit {
            step,
            generation,
            digests,
        } = &entry.record
        {
            committed.insert(checkpoint(*step, *generation), digests.clone());
        }
    }
    let removed = removed(entries());
    committed.retain(|id, _| !removed.contains(id));
    committed
}

/// The generations that the journal has.
pub(super) fn generations(entries: &[Entry]) -> BTreeSet<u64> {
    let generations = entries.iter().filter_map(|entry| match &entry.record {
        Record::Generation { generation, .. } => Some(*generation),
        _ => None,
    });
    generations.collect()
}

/// Walks the records as their writers wrote them.
struct Walk<'a> {
    judgement: &'a mut Judgement,
    /// Fence and nonce of the coordinator that leads.
    leader: Option<(u64, String)>,
    generation: u64,
    /// Whether records in between cannot be read, so that numbers may be skipped.
    is_torn: bool,
}

pub(super) fn check(evidence: &Evidence, entries: &[Entry], judgement: &mut Judgement) {
    if entries.is_empty() {
        return judgement.find(Check::Journal, "it has no record");
    }
    let mut walk = Walk {
        judgement,
        leader: None,
        generation: 0,
        is_torn: !evidence.subject.unread.is_empty(),
    };
    entries.iter().for_each(|entry| walk.take(entry));
    check_commits(evidence, entries, judgement);
    check_origin(evidence, entries, judgement);
    let has_kinds = |entry: &Entry| match &entry.record {
        Record::Generation { kinds, .. } => !kinds.is_empty(),
        _ => true,
    };
    if !entries.iter().all(has_kinds) {
        judgement.note("An older version led a part of the run: which kernels its workers used is not recorded.");
    }
}

impl Walk<'_> {
    fn take(&mut self, entry: &Entry) {
        match &entry.record {
            Record::Fence { fence, mark } => self.take_fence(entry, *fence, &mark.nonce),
            _ if self.leader.is_none() && self.is_torn => {}
            _ => {
                let leader = (entry.fence, entry.nonce.clone());
                if self.leader.as_ref() != Some(&leader) {
                    self.find(entry, "it was not written by the coordinator that led then");
                }
            }
        }
        match &entry.record {
            Record::Generation { generation, .. } => {
                if *generation <= self.generation {
                    let before = self.generation;
                    self.find(
                        entry,
                        &format!("generation {generation} begins after generation {before}"),
                    );
                }
                self.generation = (*generation).max(self.generation);
            }
            Record::Commit { generation, .. }
            | Record::Removed { generation, .. }
            | Record::Skipped { generation, .. }
            | Record::BadBatch { generation, .. }
            | Record::Verdict { generation, .. }
                if *generation > self.generation && !self.is_torn =>
            {
                self.find(entry, &format!("generation {generation} had not begun"));
            }
            _ => {}
        }
    }

    fn take_fence(&mut self, entry: &Entry, fence: u64, nonce: &str) {
        if (fence, nonce) != (entry.fence, &*entry.nonce) {
            self.find(
                entry,
                "it names another coordinator than the one that wrote it",
            );
        }
        let before = self.leader.as_ref().map_or(0, |(fence, _)| *fence);
        let follows = match self.is_torn {
            true => fence > before,
            false => fence == before + 1,
        };
        if !follows {
            self.find(entry, &format!("fence {fence} comes after fence {before}"));
        }
        self.leader = Some((fence, nonce.to_owned()));
    }

    fn find(&mut self, entry: &Entry, what: &str) {
        let number = entry.number;
        self.judgement
            .find(Check::Journal, format!("record {number}: {what}"));
    }
}

fn check_commits(evidence: &Evidence, entries: &[Entry], judgement: &mut Judgement) {
    let of_record = |entry: &Entry| match entry.record {
        Record::Commit {
            step, generation, ..
        } => Some((step, generation)),
        _ => None,
    };
    let found: Vec<_> = entries.iter().filter_map(of_record).collect();
    let began = evidence.subject.run_file.began_at();
    let last = evidence.subject.config.train.steps;
    for (step, generations) in commits(&found) {
        if step < began || step > last {
            judgement.find(
                Check::Journal,
                format!("step {step} is committed, and the job has steps {began} to {last}"),
            );
        }
        for (generation, _) in generations.into_iter().filter(|(_, times)| *times > 1) {
            let id = checkpoint(step, generation);
            judgement.find(Check::Journal, format!("{id} is committed twice"));
        }
    }
}

/// A fork's record and its `config.json` name the same checkpoint.
fn check_origin(evidence: &Evidence, entries: &[Entry], judgement: &mut Judgement) {
    let origin = evidence.subject.run_file.origin.as_ref();
    let origin = origin.map(fratmae_coordinator::Origin::record);
    let forked = |entry: &&Entry| matches!(entry.record, Record::Forked { .. });
    let recorded = entries.iter().find(forked).map(|entry| &entry.record);
    if recorded != origin.as_ref() && evidence.subject.unread.is_empty() {
        judgement.find(
            Check::Journal,
            "it and config.json do not name the same checkpoint of another run as the origin",
        );
    }
}
