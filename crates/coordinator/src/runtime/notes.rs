//! What is written down and shown of a run although `control` does not decide by it.

use super::Runtime;
use crate::bad_batch::BadBatch;
use crate::error::CoordinatorError;
use crate::event::{RunEvent, SkippedSample};
use crate::history::HistoryRow;
use crate::verdict::WorkerVerdict;
use fratmae_checkpoint::Record;
use fratmae_control::{Verdict, WorkerId};
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_protocol::pb::to_worker::Message as To;
use std::time::Instant;

impl Runtime {
    /// Keeps what only this shell needs of a message, before `control` sees its event.
    ///
    /// # Errors
    /// The journal's.
    pub(crate) async fn note(
        &mut self,
        worker: WorkerId,
        message: pb::FromWorker,
    ) -> Result<(), CoordinatorError> {
        match message.message {
            Some(From::Skipped(skipped)) => return self.note_skipped(skipped).await,
            Some(From::BadBatch(batch)) => return self.note_bad_batch(batch).await,
            Some(From::Register(register)) => {
                if register.device.is_some() {
                    let address = register.group_address.clone();
                    self.waits
                        .registered(worker, register.name.clone(), address);
                }
                self.names.insert(worker, register.name);
                self.send(worker, To::Welcome(self.welcome(worker)));
            }
            Some(From::Heartbeat(pb::Heartbeat {
                pace: Some(pace), ..
            })) => {
                self.estimate.note_pace(worker, &pace);
                self.tell_estimate();
            }
            Some(From::Applied(pb::Applied {
                generation,
                step,
                figures: Some(figures),
            })) => self.note_applied(HistoryRow::of(generation, step, figures)),
            Some(From::Recalled(recalled)) => {
                for pb::StepFigures { step, figures } in recalled.steps {
                    let figures = figures.unwrap_or_default();
                    self.note_applied(HistoryRow::of(recalled.generation, step, figures));
                }
            }
            Some(From::PartsWritten(written)) => self.shares.add(worker, written),
            _ => {}
        }
        Ok(())
    }

    /// Whether a worker that registers is turned away; it is told why.
    pub(crate) fn refuses(&mut self, worker: WorkerId, message: &pb::FromWorker) -> bool {
        let Some(From::Register(register)) = &message.message else {
            return false;
        };
        let Some(reason) = self.admission.refusal(register) else {
            return false;
        };
        let name = register.name.clone();
        let stop = pb::Stop {
            reason: reason.clone(),
            failed: true,
            is_resumable: false,
        };
        self.send(worker, To::Stop(stop));
        self.emit(RunEvent::Refused { name, reason });
        true
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
        self.emit(RunEvent::BadBatch { step, batch });
        Ok(())
    }

    fn note_applied(&mut self, row: HistoryRow) {
        let is_current = row.generation == self.cluster.generation().get();
        if !is_current || row.step <= self.cluster.newest().step().get() {
            return;
        }
        self.step_began = Instant::now();
        self.estimate.note_step(row.seconds);
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
        Ok(self.journal.append(record).await?)
    }
}
