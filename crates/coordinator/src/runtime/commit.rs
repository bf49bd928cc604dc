//! Writes the manifest of a checkpoint whose shares were all reported, or gives the checkpoint up.

use super::Runtime;
use crate::error::CoordinatorError;
use crate::event::RunEvent;
use crate::shares::Writers;
use fratmae_checkpoint::{CheckpointError, CheckpointId, CommitDigests, Record, commit};

impl Runtime {
    /// Figures first, then the manifest: what a manifest covers has its figures.
    ///
    /// Parts that are not on the store as they were reported make no checkpoint, and cost no more than that.
    pub(super) async fn write_manifest(
        &mut self,
        id: CheckpointId,
    ) -> Result<(), CoordinatorError> {
        let step = id.step.get();
        let (manifest, writers) = self.shares.manifest(
            &self.job,
            &self.run_file,
            self.journal.fence(),
            (id.generation, id.step),
            self.history.loss(step),
        );
        self.history.flush(&self.job.run, step).await?;
        match commit(&self.job.run, &manifest).await {
            Err(error) if error.is_no_checkpoint() => self.lose(id, &error, &writers),
            committed => {
                committed?;
                let digests = CommitDigests::of(&manifest, self.history.take_written())?;
                self.committing = Some((id, digests));
            }
        }
        Ok(())
    }

    /// Records a checkpoint whose manifest is written, with what it can be compared with later.
    pub(super) async fn record_commit(&mut self, id: CheckpointId) -> Result<(), CoordinatorError> {
        let digests = self.committing.take_if(|(of, _)| *of == id);
        let (_, digests) = digests.unwrap_or((id, CommitDigests::default()));
        self.journal.append(Record::commit(id, digests)).await?;
        self.collection.committed(id);
        Ok(())
    }

    fn lose(&mut self, id: CheckpointId, error: &CheckpointError, writers: &Writers) {
        let reason = format!("the checkpoint of step {} is lost: {error}", id.step);
        let is_part_of = |name: &str| error.object().is_some_and(|object| object.ends_with(name));
        let writer = writers.iter().find(|(name, _)| is_part_of(name));
        let warning = reason.clone();
        self.emit(RunEvent::Warned { warning });
        let culprit = writer.map(|(_, worker)| (*worker, reason));
        self.tasks.lost_checkpoint(id, culprit);
    }
}
