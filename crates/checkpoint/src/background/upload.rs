//! Hashes and uploads the parts of one checkpoint, at the rate that the steps can bear.

use std::collections::VecDeque;
use std::sync::Arc;

use fratmae_store::Location;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::copier::CopiedPart;
use super::limiter::{Cancelled, Limiter};
use crate::draft::Encoded;
use crate::error::CheckpointError;
use crate::layout::CheckpointId;
use crate::manifest::PartRecord;
use crate::writer::create_part;

/// Uploads at once: while one waits for the store's answer, the next is sent.
pub(super) const UPLOADS: usize = 2;

/// A part that is on the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenPart {
    /// As the manifest names it.
    pub record: PartRecord,
    /// The digests of the parameters in it.
    pub weights: Vec<u8>,
}

/// Called for each part that is on the store.
pub type OnProgress = Arc<dyn Fn() + Send + Sync>;

/// Where the parts of checkpoints go.
#[derive(Clone)]
pub(super) struct Upload {
    pub(super) run: Location,
    pub(super) runtime: Handle,
    pub(super) progress: OnProgress,
}

type InFlight = VecDeque<JoinHandle<Result<(), CheckpointError>>>;

/// Why a checkpoint is not written.
#[derive(Debug)]
enum Interrupted {
    Cancelled,
    Failed(CheckpointError),
}

impl From<Cancelled> for Interrupted {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl From<CheckpointError> for Interrupted {
    fn from(error: CheckpointError) -> Self {
        Self::Failed(error)
    }
}

impl Upload {
    /// Writes the parts as they come; none if the checkpoint is cancelled before the last.
    ///
    /// # Errors
    /// The copying's and the store's.
    pub(super) fn write(
        &self,
        id: CheckpointId,
        parts: impl IntoIterator<Item = CopiedPart>,
        limiter: Limiter,
    ) -> Result<Vec<WrittenPart>, CheckpointError> {
        match self.write_all(id, parts, limiter) {
            Ok(written) => Ok(written),
            Err(Interrupted::Cancelled) => Ok(Vec::new()),
            Err(Interrupted::Failed(error)) => Err(error),
        }
    }

    fn write_all(
        &self,
        id: CheckpointId,
        parts: impl IntoIterator<Item = CopiedPart>,
        mut limiter: Limiter,
    ) -> Result<Vec<WrittenPart>, Interrupted> {
        let (mut written, mut in_flight) = (Vec::new(), InFlight::new());
        for draft in parts {
            limiter.resume();
            let part = draft?.close(|_| limiter.hashed().map_err(Interrupted::from))?;
            self.wait(&mut in_flight, UPLOADS - 1)?;
            let bytes = part.bytes.len() as u64;
            written.push(WrittenPart {
                record: part.record.clone(),
                weights: part.weights.clone(),
            });
            in_flight.push_back(self.send(id, part));
            limiter.uploaded(bytes)?;
        }
        self.wait(&mut in_flight, 0)?;
        Ok(written)
    }

    fn send(&self, id: CheckpointId, part: Encoded) -> JoinHandle<Result<(), CheckpointError>> {
        let run = self.run.clone();
        let send = async move { create_part(&run, id, &part).await };
        self.runtime.spawn(send.in_current_span())
    }

    /// Waits until no more than `n` uploads are in flight.
    fn wait(&self, in_flight: &mut InFlight, n: usize) -> Result<(), Interrupted> {
        while in_flight.len() > n {
            let Some(oldest) = in_flight.pop_front() else {
                return Ok(());
            };
            match self.runtime.block_on(oldest) {
                Ok(created) => {
                    created?;
                    (self.progress)();
                }
                // The runtime is shutting down, and the process with it.
                Err(_) => return Err(Interrupted::Cancelled),
            }
        }
        Ok(())
    }
}
