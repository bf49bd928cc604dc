//! The thread that hashes and uploads the parts of one checkpoint, at the pace that the steps can bear.

use crate::throttle::{Abandoned, Throttle};
use fratmae_checkpoint::{CheckpointError, CheckpointId, Draft, Encoded, PartRecord, create_part};
use fratmae_store::Location;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Uploads at once: while one waits for the store's answer, the next is on its way.
pub(crate) const UPLOADS: usize = 2;

/// A part that is on the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenPart {
    /// As the manifest names it.
    pub record: PartRecord,
    /// The digests of the parameters in it.
    pub weights: Vec<u8>,
}

/// Where the parts of a checkpoint go.
pub(crate) struct Upload {
    pub(crate) run: Location,
    pub(crate) id: CheckpointId,
    pub(crate) n_parts: usize,
    pub(crate) runtime: Handle,
    /// Told of each part that is on the store.
    pub(crate) progress: Progress,
}

/// Called whenever writing a checkpoint has got on.
pub type Progress = Arc<dyn Fn() + Send + Sync>;

type InFlight = VecDeque<JoinHandle<Result<(), CheckpointError>>>;

/// Why a checkpoint is not written.
#[derive(Debug)]
enum Broken {
    /// Nobody will ask for it.
    Abandoned,
    Failed(CheckpointError),
}

impl From<Abandoned> for Broken {
    fn from(_: Abandoned) -> Self {
        Self::Abandoned
    }
}

impl From<CheckpointError> for Broken {
    fn from(error: CheckpointError) -> Self {
        Self::Failed(error)
    }
}

impl Upload {
    /// Writes parts until all are there; none if the checkpoint was given up before.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn write(
        &self,
        drafts: &Receiver<Draft>,
        throttle: Throttle,
    ) -> Result<Option<Vec<WrittenPart>>, CheckpointError> {
        match self.write_all(drafts, throttle) {
            Ok(written) if written.len() == self.n_parts => Ok(Some(written)),
            Ok(_) | Err(Broken::Abandoned) => Ok(None),
            Err(Broken::Failed(error)) => Err(error),
        }
    }

    fn write_all(
        &self,
        drafts: &Receiver<Draft>,
        mut throttle: Throttle,
    ) -> Result<Vec<WrittenPart>, Broken> {
        let (mut written, mut in_flight) = (Vec::new(), InFlight::new());
        for draft in drafts {
            throttle.resume();
            let part = draft.close(|_| throttle.hashed().map_err(Broken::from))?;
            self.wait(&mut in_flight, UPLOADS - 1)?;
            let bytes = part.bytes.len() as u64;
            written.push(WrittenPart {
                record: part.record.clone(),
                weights: part.weights.clone(),
            });
            in_flight.push_back(self.send(part));
            throttle.uploaded(bytes)?;
        }
        self.wait(&mut in_flight, 0)?;
        Ok(written)
    }

    fn send(&self, part: Encoded) -> JoinHandle<Result<(), CheckpointError>> {
        let (run, id) = (self.run.clone(), self.id);
        self.runtime
            .spawn(async move { create_part(&run, id, &part).await })
    }

    /// Waits until no more than `n` uploads are under way.
    fn wait(&self, in_flight: &mut InFlight, n: usize) -> Result<(), Broken> {
        while in_flight.len() > n {
            let Some(oldest) = in_flight.pop_front() else {
                return Ok(());
            };
            match self.runtime.block_on(oldest) {
                Ok(created) => {
                    created?;
                    (self.progress)();
                }
                // The runtime is going down, and the process with it.
                Err(_) => return Err(Broken::Abandoned),
            }
        }
        Ok(())
    }
}
