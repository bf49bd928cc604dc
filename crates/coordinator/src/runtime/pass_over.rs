//! A checkpoint that workers found damaged gives way to the newest good one before it, as it does when a run is opened.

use super::Runtime;
use crate::error::CoordinatorError;
use crate::event::RunEvent;
use crate::opening::no_good_checkpoint;
use fratmae_checkpoint::{CheckpointId, newest_good_but, verify_of};

impl Runtime {
    /// Walks back from a damaged checkpoint; what it meets on the way is passed over as well. None of them is deleted.
    ///
    /// The word of one worker, which may read wrongly itself, is not enough: the checkpoint is read here first.
    ///
    /// # Errors
    /// The store's; `Unresumable` if none is left and the run did not begin from nothing.
    pub(super) async fn pass_over(
        &mut self,
        id: CheckpointId,
        reason: &str,
    ) -> Result<(), CoordinatorError> {
        match verify_of(&self.job.run, &self.lineage, id).await {
            Ok(_) => {
                let warning = format!(
                    "the checkpoint of step {} was called damaged ({reason}); it was read again and is whole",
                    id.step
                );
                self.emit(RunEvent::Warned { warning });
                self.collection.verified(id);
                self.tasks.found_newest(id, Some(id));
                return Ok(());
            }
            Err(error) if error.is_damage() => self.collection.spare(id, &reason),
            Err(error) => return Err(error.into()),
        }
        let newest =
            newest_good_but(&self.job.run, &self.lineage, &self.collection.unusable()).await?;
        for (id, error) in &newest.damaged {
            self.collection.spare(*id, error);
        }
        if let Some(manifest) = &newest.manifest {
            self.collection.verified(manifest.id());
        }
        if newest.manifest.is_none() && self.run_file.origin.is_some() {
            return Err(no_good_checkpoint(&self.job.run));
        }
        self.tasks.found_newest(id, newest.found().good);
        Ok(())
    }
}
