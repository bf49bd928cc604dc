//! Finding whoever coordinates the run now: the one that was lost may only have been away, and the store names the newest.

use crate::error::{ConnectionError, WorkerError};
use crate::outbox::Outbox;
use crate::run::Ended;
use crate::stream::{Stream, unreachable};
use crate::whereabouts::check_keys;
use fratmae_checkpoint::{Journal, Progress, Record};
use fratmae_control::{Cause, Parting};
use fratmae_network::Endpoint;
use fratmae_protocol::{cause, connect, pb};
use fratmae_store::Location;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often the last coordinator is tried again, and the store looked at.
const EVERY: Duration = Duration::from_millis(500);

/// How long one try, or one look, may take.
const LOOK: Duration = Duration::from_secs(10);

/// How long a coordinator is tried that may be an older one than the journal names.
const HINT: Duration = Duration::from_secs(2);

/// Where to look, and for how long.
pub(crate) struct Rediscovery<'a> {
    pub(crate) run: &'a Location,
    pub(crate) run_id: String,
    pub(crate) patience: Duration,
    pub(crate) register: &'a pb::Register,
    pub(crate) outbox: &'a Outbox,
}

/// What a search comes to.
pub(crate) enum Found {
    /// A coordinator, which this worker has registered with.
    Stream(Box<Stream>),
    /// The run is over: nobody has to be told anything.
    Ended(Ended),
}

impl Rediscovery<'_> {
    /// Looks until a coordinator answers, the run turns out to be over, or the patience is at its end. `last` is where
    /// the coordinator was that was lost.
    ///
    /// It is tried and the store is looked at side by side: either may be slow or hang.
    ///
    /// # Errors
    /// `CoordinatorLost` when the patience is at its end; `Stopped` if the coordinator stopped the run, or refuses
    /// this worker.
    pub(crate) async fn find(&self, last: &str) -> Result<Found, WorkerError> {
        let search = async {
            tokio::select! {
                found = self.return_to(last) => found,
                found = self.look_out(last) => found,
            }
        };
        timeout(self.patience, search).await.unwrap_or_else(|_| {
            Err(WorkerError::Connection(ConnectionError::CoordinatorLost {
                address: last.to_owned(),
                patience: self.patience,
            }))
        })
    }

    async fn return_to(&self, last: &str) -> Result<Found, WorkerError> {
        let mut tries = tries();
        loop {
            tries.tick().await;
            if let Some(found) = self.try_at(last, LOOK).await? {
                return Ok(found);
            }
        }
    }

    async fn look_out(&self, last: &str) -> Result<Found, WorkerError> {
        let mut tries = tries();
        loop {
            tries.tick().await;
            let hint = match timeout(HINT, Progress::read(self.run)).await {
                Ok(Some(progress)) => progress.address,
                Ok(None) | Err(_) => String::new(),
            };
            let is_news = !hint.is_empty() && hint != last;
            if is_news && let Some(found) = self.try_at(&hint, HINT).await? {
                return Ok(found);
            }
            let newest = match timeout(LOOK, Journal::newest_coordinator(self.run)).await {
                Ok(Ok(records)) => newest(records)?,
                Ok(Err(reason)) => {
                    tracing::debug!(%reason, "the journal is not read");
                    continue;
                }
                Err(_) => continue,
            };
            match newest {
                Newest::Ended(ended) => return Ok(Found::Ended(ended)),
                Newest::Coordinator(address) if address != last => {
                    if let Some(found) = self.try_at(&address, LOOK).await? {
                        return Ok(found);
                    }
                }
                Newest::Coordinator(_) | Newest::Unknown => {}
            }
        }
    }

    /// Registers with the coordinator at an address, if it is there.
    async fn try_at(&self, address: &str, limit: Duration) -> Result<Option<Found>, WorkerError> {
        match timeout(limit, self.register_at(address)).await {
            Ok(Ok(stream)) => return Ok(Some(Found::Stream(Box::new(stream)))),
            Ok(Err(error @ ConnectionError::Stopped { .. })) => return Err(error.into()),
            Ok(Err(reason)) => tracing::debug!(%reason, "no coordinator yet"),
            Err(_) => tracing::debug!(address, "the coordinator does not answer"),
        }
        Ok(None)
    }

    /// By now another run may be led from the same address: that one is not asked to take this worker.
    async fn register_at(&self, address: &str) -> Result<Stream, ConnectionError> {
        check_keys(&Endpoint::parse(address)?)?;
        let client = connect(address).await;
        let mut client = client.map_err(|error| unreachable(address, &error.to_string()))?;
        let status = client.status(pb::StatusRequest {}).await;
        let status = status.map_err(|status| unreachable(address, &cause(&status)))?;
        if status.into_inner().run_id != self.run_id {
            return Err(unreachable(address, "another run is led from there"));
        }
        Stream::try_open(address, self.register, self.outbox).await
    }
}

fn tries() -> tokio::time::Interval {
    let mut tries = interval(EVERY);
    tries.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tries
}

/// What the journal says of who leads the run.
pub(crate) enum Newest {
    Coordinator(String),
    Ended(Ended),
    Unknown,
}

const fn failed(reason: String) -> ConnectionError {
    let parting = Parting::Failed;
    ConnectionError::Stopped { reason, parting }
}

/// Reads the newest fence record and those after it.
pub(crate) fn newest(records: Vec<Record>) -> Result<Newest, ConnectionError> {
    let mut newest = Newest::Unknown;
    for record in records {
        match record {
            Record::Fence { mark, .. } => newest = Newest::Coordinator(mark.address),
            Record::Finished { .. } => return Ok(Newest::Ended(Ended::Finished)),
            Record::Interrupted { reason, .. } if Cause::is_one(&reason) => {
                return Ok(Newest::Ended(Ended::Stopped));
            }
            Record::Interrupted { reason, .. } => return Err(failed(reason)),
            Record::RolledBack { step, .. } => {
                return Err(failed(format!("the run was rolled back to step {step}")));
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
    Ok(newest)
}
