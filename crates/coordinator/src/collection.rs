//! When checkpoints that are not kept are given up and deleted, beside the run's own work.
//! Owns the times and the task; what may go, and in which order, is the `checkpoint` crate's.

use crate::error::CoordinatorError;
use crate::event::{EventSink, RunEvent};
use crate::opening::passed_over;
use fratmae_checkpoint::{
    CheckpointError, CheckpointId, Collector, Journal, Lineage, Manifest, Swept, sweep,
    verify_leisurely, verify_of,
};
use fratmae_control::Generation;
use fratmae_store::Location;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How often the store is looked through when nothing is committed.
const EVERY: Duration = Duration::from_secs(60);

/// How long a run that ends waits for deletions that have begun.
const FINISH: Duration = Duration::from_secs(10);

/// The collector, and the reading and deleting that are under way.
pub(crate) struct Collection {
    collector: Collector,
    lineage: Lineage,
    events: EventSink,
    /// The checkpoint that is read before older ones are given up for it.
    verifying: Option<(CheckpointId, JoinHandle<Verified>)>,
    sweeping: Option<JoinHandle<Result<Swept, CheckpointError>>>,
    /// When to look next, once there was a first time.
    next: Option<Instant>,
}

type Verified = Result<Manifest, CheckpointError>;

impl Collection {
    pub(crate) fn new(collector: Collector, lineage: Lineage, events: EventSink) -> Self {
        Self {
            collector,
            lineage,
            events,
            verifying: None,
            sweeping: None,
            next: None,
        }
    }

    /// A checkpoint is committed: older ones may go.
    pub(crate) fn committed(&mut self, id: CheckpointId) {
        self.collector.committed(id);
        self.next = None;
    }

    /// A checkpoint is damaged: it is left as it is and passed over, and those before it stay.
    pub(crate) fn spare(&mut self, id: CheckpointId, reason: &dyn Display) {
        self.collector.spare(id);
        let line = passed_over(id, reason);
        self.events.emit(RunEvent::PassedOver { line });
    }

    /// A checkpoint was read and is whole.
    pub(crate) fn verified(&mut self, id: CheckpointId) {
        self.collector.verified(id);
    }

    /// Those that nobody may begin from.
    pub(crate) fn unusable(&self) -> BTreeSet<CheckpointId> {
        self.collector.unusable()
    }

    /// Gives up what is not kept, in the journal, and begins to delete what was given up; one sweep after the other.
    ///
    /// # Errors
    /// The journal's. What the store does not delete is found the next time.
    pub(crate) async fn collect(
        &mut self,
        journal: &mut Journal,
        run: &Location,
        current: Generation,
    ) -> Result<(), CoordinatorError> {
        if self
            .sweeping
            .as_ref()
            .is_some_and(|task| !task.is_finished())
        {
            return Ok(());
        }
        self.take_in().await;
        self.verify_beside(run).await;
        let now = Instant::now();
        if self.next.is_some_and(|next| now < next) {
            return Ok(());
        }
        for (id, record) in self.collector.to_remove(current) {
            journal.append(record).await?;
            self.collector.removed(id, now);
        }
        let (run, work) = (run.clone(), self.collector.work(now, current));
        self.next = Some(now + EVERY);
        self.sweeping = Some(tokio::spawn(async move { sweep(&run, &work).await }));
        Ok(())
    }

    /// Collects once more after the last commit, and waits until that is done, if it is so soon.
    ///
    /// # Errors
    /// The journal's.
    pub(crate) async fn finish(
        &mut self,
        journal: &mut Journal,
        run: &Location,
        current: Generation,
    ) -> Result<(), CoordinatorError> {
        self.settle().await;
        self.verify_now(run).await;
        self.collect(journal, run, current).await?;
        self.settle().await;
        Ok(())
    }

    /// Reads the checkpoint for which older ones are to be given up, beside the run's own work.
    async fn verify_beside(&mut self, run: &Location) {
        if let Some((id, task)) = self.verifying.take_if(|(_, task)| task.is_finished())
            && let Ok(verified) = task.await
        {
            self.judge(id, verified);
        }
        if let (None, Some(id)) = (&self.verifying, self.collector.to_verify()) {
            let (run, lineage) = (run.clone(), self.lineage.clone());
            let verify = async move { verify_leisurely(&run, &lineage, id).await };
            self.verifying = Some((id, tokio::spawn(verify)));
        }
    }

    /// The same when nobody trains any more, so that it need not be slow. Where it takes too long the older ones stay.
    async fn verify_now(&mut self, run: &Location) {
        if let Some((_, task)) = self.verifying.take() {
            task.abort();
        }
        let Some(id) = self.collector.to_verify() else {
            return;
        };
        let verify = verify_of(run, &self.lineage, id);
        if let Ok(verified) = tokio::time::timeout(FINISH, verify).await {
            self.judge(id, verified);
        }
    }

    fn judge(&mut self, id: CheckpointId, verified: Verified) {
        match verified {
            Ok(_) => self.collector.verified(id),
            Err(error) if error.is_damage() => self.spare(id, &error),
            Err(error) => tracing::debug!(%error, "the newest checkpoint is not verified yet"),
        }
        self.next = None;
    }

    async fn settle(&mut self) {
        if tokio::time::timeout(FINISH, self.take_in()).await.is_err() {
            tracing::debug!("deleting old checkpoints takes long; the rest is left");
        }
    }

    async fn take_in(&mut self) {
        let Some(task) = self.sweeping.take() else {
            return;
        };
        match task.await {
            Ok(Ok(swept)) => self.collector.swept(&swept),
            // The run does not need it; the store's state shows elsewhere, where it does.
            Ok(Err(error)) => tracing::debug!(%error, "old checkpoints are not deleted yet"),
            Err(error) => tracing::debug!(%error, "deleting old checkpoints was broken off"),
        }
    }
}
