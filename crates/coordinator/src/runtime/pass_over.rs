//! A checkpoint that workers found damaged gives way to the newest good one before it, as it does when a run is opened.

use super::Runtime;
use crate::error::CoordinatorError;
use crate::event::RunEvent;
use crate::opening::{no_good_checkpoint, passed_over, source};
use fratmae_checkpoint::{CheckpointId, newest_good_but};
use fratmae_control::{Event, Generation, Step};

impl Runtime {
    /// Walks back from a damaged checkpoint; what it meets on the way is passed over as well. None of them is deleted.
    ///
    /// # Errors
    /// The store's; `Unresumable` if none is left and the run did not begin from nothing.
    pub(super) async fn pass_over(
        &mut self,
        checkpoint: (Generation, Step),
        reason: &str,
    ) -> Result<Event, CoordinatorError> {
        let (generation, step) = checkpoint;
        let id = CheckpointId { step, generation };
        self.spare(id, passed_over(id, &reason));
        let newest =
            newest_good_but(&self.job.run, &self.lineage, &self.collection.unusable()).await?;
        for (id, error) in &newest.damaged {
            self.spare(*id, passed_over(*id, error));
        }
        if newest.manifest.is_none() && self.run_file.origin.is_some() {
            return Err(no_good_checkpoint(&self.job.run));
        }
        Ok(Event::PassedOver {
            checkpoint,
            newest: source(&newest),
        })
    }

    fn spare(&mut self, id: CheckpointId, line: String) {
        self.collection.spare(id);
        self.emit(RunEvent::PassedOver { line });
    }
}
