//! Finding whoever coordinates the run now: the journal names the newest.

use crate::error::{ConnectionError, WorkerError};
use crate::outbox::Outbox;
use crate::stream::Stream;
use fratmae_checkpoint::{Journal, Record};
use fratmae_control::Cause;
use fratmae_protocol::pb;
use fratmae_store::Location;
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;

/// How often the journal is read, and its newest coordinator tried.
const EVERY: Duration = Duration::from_millis(500);

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(10);

/// Where to look, and for how long.
pub(crate) struct Rediscovery<'a> {
    pub(crate) run: &'a Location,
    pub(crate) patience: Duration,
    pub(crate) register: &'a pb::Register,
    pub(crate) outbox: &'a Outbox,
}

/// What a search comes to.
pub(crate) enum Found {
    /// A coordinator, which this worker has registered with.
    Stream(Box<Stream>),
    /// The run is over: nobody has to be told anything.
    Ended {
        /// Whether it was stopped as it was asked to, and goes on when it is run again.
        is_resumable: bool,
    },
}

impl Rediscovery<'_> {
    /// Looks until a coordinator answers, the run turns out to be over, or the patience is at its end.
    ///
    /// # Errors
    /// `CoordinatorLost` when the patience is at its end; `Stopped` if the coordinator stopped the run, or refuses
    /// this worker.
    pub(crate) async fn find(&self, lost: &str) -> Result<Found, WorkerError> {
        let began = Instant::now();
        let mut tries = tokio::time::interval(EVERY);
        tries.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while began.elapsed() <= self.patience {
            tries.tick().await;
            match tokio::time::timeout(LOOK, self.look()).await {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(WorkerError::Connection(error @ ConnectionError::Stopped { .. }))) => {
                    return Err(error.into());
                }
                Ok(Err(reason)) => tracing::debug!(%reason, "no coordinator yet"),
                Err(_) => tracing::debug!("the newest coordinator does not answer"),
            }
        }
        Err(WorkerError::Connection(ConnectionError::CoordinatorLost {
            address: lost.to_owned(),
            patience: self.patience,
        }))
    }

    async fn look(&self) -> Result<Found, WorkerError> {
        let newest = Journal::since_newest_fence(self.run).await?;
        let mut address = None;
        for record in newest {
            match record {
                Record::Fence { mark, .. } => address = Some(mark.address),
                Record::Finished { .. } => {
                    let is_resumable = false;
                    return Ok(Found::Ended { is_resumable });
                }
                Record::Interrupted { reason, .. } if Cause::is_one(&reason) => {
                    let is_resumable = true;
                    return Ok(Found::Ended { is_resumable });
                }
                Record::Interrupted { reason, .. } => {
                    return Err(ConnectionError::Stopped { reason }.into());
                }
                Record::RolledBack { step, .. } => {
                    let reason = format!("the run was rolled back to step {step}");
                    return Err(ConnectionError::Stopped { reason }.into());
                }
                Record::Generation { .. }
                | Record::Forked { .. }
                | Record::Commit { .. }
                | Record::Removed { .. }
                | Record::Skipped { .. }
                | Record::BadBatch { .. }
                | Record::Verdict { .. } => {}
            }
        }
        let address = address.ok_or_else(|| ConnectionError::Unreachable {
            address: self.run.url().to_owned(),
            reason: "its journal names no coordinator".to_owned(),
            patience: None,
        })?;
        let stream = Stream::try_open(&address, self.register, self.outbox).await?;
        Ok(Found::Stream(Box::new(stream)))
    }
}
