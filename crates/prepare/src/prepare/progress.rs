//! Owns the counting of cases done and the telling of it.

use fratmae_dataset::Note;

use super::inputs::ShardRecord;

/// Tells of one case that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrepareProgress {
    /// Cases done so far, this one included.
    pub done: usize,
    pub total: usize,
    pub case_id: String,
    /// What became of it.
    pub outcome: CaseOutcome,
}

/// Says what became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaseOutcome {
    /// It was read and encoded.
    Prepared {
        /// What is unlikely about it.
        notes: Vec<Note>,
    },
    /// Its shard was there already.
    Kept,
    /// It could not be used.
    Skipped { reason: String },
}

/// Counts what is done and tells it.
pub(super) struct Tally<'caller> {
    pub(super) total: usize,
    pub(super) done: usize,
    pub(super) prepared: usize,
    pub(super) kept: usize,
    pub(super) progress: &'caller mut dyn FnMut(PrepareProgress),
}

impl Tally<'_> {
    pub(super) fn tell(&mut self, case_id: String, outcome: CaseOutcome) {
        self.done += 1;
        match outcome {
            CaseOutcome::Kept => self.kept += 1,
            CaseOutcome::Prepared { .. } => self.prepared += 1,
            CaseOutcome::Skipped { .. } => {}
        }
        let done = self.done;
        (self.progress)(PrepareProgress {
            done,
            total: self.total,
            case_id,
            outcome,
        });
    }

    pub(super) fn keep(&mut self, record: ShardRecord) -> ShardRecord {
        for case in &record.inputs {
            let skipped = record
                .skipped
                .iter()
                .find(|skipped| skipped.case_id == case.case_id);
            let outcome = skipped.map_or(CaseOutcome::Kept, |skipped| CaseOutcome::Skipped {
                reason: skipped.reason.clone(),
            });
            self.tell(case.case_id.clone(), outcome);
        }
        record
    }
}
