//! Owns the work on one shard: its cases read and encoded in parallel, and appended in their order.
//!
//! Memory is bounded by the threads (a study each) and the compressed shard. It knows no store.

use std::sync::Arc;

use fratmae_dataset::{CaseEncoder, EncodedCase, ManifestCase, ShardWriter, grid_fault};
use object_store::PutPayload;
use rayon::prelude::*;
use tokio::sync::mpsc::Sender;

use super::inputs::{CaseInputs, Settings, ShardRecord};
use super::{CaseOutcome, PrepareOptions, SkippedCase};
use crate::PrepareError;
use crate::case::prepare_case;
use crate::source::CaseSource;

/// Names the cases of one shard.
#[derive(Debug, Clone)]
pub(super) struct ShardWork {
    pub(super) shard: u32,
    pub(super) cases: Vec<CaseSource>,
}

/// Holds what the work on every shard needs.
#[derive(Debug, Clone)]
pub(super) struct ShardBuilder {
    pub(super) settings: Settings,
    pub(super) skip_bad: bool,
    pub(super) refuse_noted: bool,
    pool: Arc<rayon::ThreadPool>,
}

/// Carries a case that was read, or the reason why not.
type Finished = (CaseInputs, Result<EncodedCase, PrepareError>);

/// Tells of the outcome of each case as it comes.
pub(super) type Outcomes = Sender<(String, CaseOutcome)>;

impl ShardBuilder {
    pub(super) fn new(options: &PrepareOptions, labels: bool) -> Result<Self, PrepareError> {
        if let Some(reason) = grid_fault(options.grid) {
            return Err(PrepareError::Options { reason });
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.threads.max(1))
            .build();
        let pool = pool.map_err(|error| PrepareError::Io {
            action: "start",
            path: "the threads that prepare cases".into(),
            source: std::io::Error::other(error),
        })?;
        let settings = Settings::new(options.grid, labels);
        Ok(Self {
            settings,
            skip_bad: options.skip_bad,
            refuse_noted: options.refuse_noted,
            pool: Arc::new(pool),
        })
    }

    /// Makes the bytes of a shard and its record.
    pub(super) fn make(
        &self,
        work: &ShardWork,
        outcomes: &Outcomes,
    ) -> Result<(ShardRecord, Option<PutPayload>), PrepareError> {
        let Settings { grid, labels, .. } = self.settings;
        let mut writer = ShardWriter::new(work.shard, grid, labels)?;
        let settings = self.settings.clone();
        let mut record = ShardRecord {
            settings,
            bytes: None,
            inputs: vec![],
            cases: vec![],
            skipped: vec![],
        };
        // Two cases a thread, so that a long one does not leave the others idle; what waits is compressed.
        for cases in work.cases.chunks(2 * self.pool.current_num_threads()) {
            for (inputs, encoded) in self.encode(cases, writer.encoder(), outcomes) {
                match encoded {
                    Ok(encoded) => record.cases.push(writer.append(encoded)?),
                    Err(error) if self.may_skip(&error) => {
                        // The record lies in the data set.
                        let (case_id, reason) =
                            (inputs.case_id.clone(), error.told_without_paths());
                        record.skipped.push(SkippedCase { case_id, reason });
                    }
                    Err(error) => return Err(error),
                }
                record.inputs.push(inputs);
            }
        }
        // Only now, so that a case that cannot be used is told before one that is merely doubtful.
        if self.refuse_noted
            && let Some(case) = record.cases.iter().find(|case| !case.notes.is_empty())
        {
            return Err(noted(case));
        }
        let bytes = writer.finish()?;
        record.bytes = bytes.as_ref().map(|bytes| bytes.content_length() as u64);
        Ok((record, bytes))
    }

    fn encode(
        &self,
        cases: &[CaseSource],
        encoder: &CaseEncoder,
        outcomes: &Outcomes,
    ) -> Vec<Finished> {
        let finish = |case: &CaseSource| {
            let inputs = CaseInputs::of(case);
            let encoded = self.encode_case(case, encoder);
            let outcome = match &encoded {
                Ok(encoded) => Some(CaseOutcome::Prepared {
                    notes: encoded.notes().to_vec(),
                }),
                Err(error) => self.may_skip(error).then(|| CaseOutcome::Skipped {
                    reason: error.full_reason(),
                }),
            };
            if let Some(outcome) = outcome {
                // Who no longer listens has given up on the whole prepare; the shard is then never stored.
                outcomes.blocking_send((case.case_id.clone(), outcome)).ok();
            }
            (inputs, encoded)
        };
        self.pool.install(|| cases.par_iter().map(finish).collect())
    }

    fn encode_case(
        &self,
        case: &CaseSource,
        encoder: &CaseEncoder,
    ) -> Result<EncodedCase, PrepareError> {
        let prepared = prepare_case(case, self.settings.grid)?;
        Ok(encoder.encode(prepared)?)
    }

    /// Only what is wrong with a case itself lets the others go on.
    fn may_skip(&self, error: &PrepareError) -> bool {
        self.skip_bad && matches!(error, PrepareError::Case { .. })
    }
}

/// Refuses a case that has notes.
fn noted(case: &ManifestCase) -> PrepareError {
    let notes = case.notes.iter().map(|note| note.text.clone());
    let source = PrepareError::Noted {
        notes: notes.collect(),
    };
    PrepareError::Case {
        case: case.case_id.clone(),
        part: String::new(),
        source: Box::new(source),
    }
}
