//! What is written down and shown of a run although `control` does not decide by it.

use super::Runtime;
use crate::bad_batch::BadBatch;
use crate::clock::unix_us;
use crate::error::CoordinatorError;
use crate::event::{RunEvent, SkippedSample};
use crate::history::HistoryRow;
use crate::verdict::WorkerVerdict;
use fratmae_checkpoint::Record;
use fratmae_control::{Verdict, WorkerId};
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use std::time::Instant;

/// Steps after the newest checkpoint of which figures are kept; a worker keeps no more either.
const MOST_STEPS: u64 = 1 << 16;

impl Runtime {
    /// Keeps what only this shell needs of a message that `control` admits, before it sees its event.
    ///
    /// # Errors
    /// The journal's.
    pub(super) async fn note(
        &mut self,
        worker: WorkerId,
        message: From,
    ) -> Result<(), CoordinatorError> {
        match message {
            From::Skipped(skipped) => return self.note_skipped(skipped).await,
            From::BadBatch(batch) => return self.note_bad_batch(batch).await,
            From::Heartbeat(pb::Heartbeat {
                pace: Some(pace), ..
            }) => {
                self.estimate.note_pace(worker, &pace);
                self.tell_estimate();
            }
            From::Applied(pb::Applied {
                generation,
                step,
                figures: Some(figures),
            }) => {
                let row = HistoryRow::of(generation, step, figures);
                let unix_ms = Some(unix_us() / 1000);
                self.note_applied(HistoryRow { unix_ms, ..row }, false);
            }
            From::Recalled(recalled) => {
                for pb::StepFigures { step, figures } in recalled.steps {
                    let figures = figures.unwrap_or_default();
                    self.note_applied(HistoryRow::of(recalled.generation, step, figures), true);
                }
            }
            From::PartsWritten(written) => self.shares.add(worker, written),
            From::StepTimes(times) => self.note_times(worker, times),
            _ => {}
        }
        Ok(())
    }

    /// What was not trained on is written down before it is shown.
    async fn note_skipped(&mut self, skipped: pb::Skipped) -> Result<(), CoordinatorError> {
        let (step, slot) = (skipped.step, skipped.slot);
        let sample = SkippedSample {
            case: skipped.case_id,
            shard: skipped.shard,
            row_group: skipped.row_group,
            slice: skipped.slice,
            offset: skipped.offset,
            replacement: skipped.replacement,
        };
        let value = serde_json::to_value(&sample)
            .map_err(CoordinatorError::encoding("a skipped sample"))?;
        let record = Record::Skipped {
            generation: skipped.generation,
            step,
            slot,
            sample: value,
        };
        self.journal.append(record).await?;
        self.emit(RunEvent::Skipped { step, slot, sample });
        Ok(())
    }

    /// A step that moved no weight is written down before it is shown.
    async fn note_bad_batch(&mut self, batch: pb::BadBatch) -> Result<(), CoordinatorError> {
        let (generation, step) = (batch.generation, batch.step);
        let batch = BadBatch::from(batch);
        let value =
            serde_json::to_value(&batch).map_err(CoordinatorError::encoding("a bad batch"))?;
        let record = Record::BadBatch {
            generation,
            step,
            batch: value,
        };
        self.journal.append(record).await?;
        self.ledger.capacity.counts().steps_skipped += 1;
        self.emit(RunEvent::BadBatch { step, batch });
        Ok(())
    }

    fn note_applied(&mut self, row: HistoryRow, is_recalled: bool) {
        let is_current = row.generation == self.cluster.generation().get();
        let committed = self.cluster.newest().step().get();
        let last = committed.saturating_add(MOST_STEPS);
        if !is_current || row.step <= committed || row.step > last.min(self.job.config.train.steps)
        {
            return;
        }
        self.step_began = Instant::now();
        self.ledger.capacity.applied(row.step, is_recalled);
        self.watch.applied(row.step, &row.metrics);
        self.estimate.note_step(row.seconds);
        self.trace.formed();
        // Who follows a run is not told of each sample.
        let shown = HistoryRow {
            trained: None,
            ..row.clone()
        };
        self.history.push(row);
        self.emit(shown.applied(&self.job.config.train));
        self.newest_row = Some(shown);
        self.tell_estimate();
    }

    fn tell_estimate(&mut self) {
        if let Some(estimate) = self.estimate.news(self.steps_left()) {
            self.emit(estimate);
        }
    }

    /// Keeps a verdict for those who ask later.
    pub(super) async fn record_verdict(&mut self, blame: &Verdict) -> Result<(), CoordinatorError> {
        let verdict = serde_json::to_value(WorkerVerdict::from(blame))
            .map_err(CoordinatorError::encoding("a verdict"))?;
        let record = Record::Verdict {
            generation: blame.generation.get(),
            verdict,
        };
        self.ledger.capacity.counts().verdicts += 1;
        self.has_verdict = true;
        Ok(self.journal.append(record).await?)
    }
}
