//! A rank's share of each checkpoint, written while training goes on.

use crate::digest::weights_digest;
use crate::error::WorkerError;
use crate::outbox::Outbox;
use crate::session::Session;
use fratmae_checkpoint::{CheckpointError, CheckpointId, PartPlan, State, plan_parts, write_part};
use fratmae_collective::ProcessGroup;
use fratmae_control::Generation;
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_store::Location;
use fratmae_telemetry::phases;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Writes this rank's parts in the background, one checkpoint at a time.
pub(crate) struct ShareWriter {
    run: Location,
    generation: Generation,
    /// The parts of every checkpoint that are this rank's: part `i` is rank `i mod world size`'s.
    mine: Arc<Vec<PartPlan>>,
    pending: Option<JoinHandle<Result<(), CheckpointError>>>,
}

impl ShareWriter {
    pub(crate) fn new(session: &Session, generation: Generation, group: &dyn ProcessGroup) -> Self {
        let part_bytes = session.config.checkpoint.part_mib << 20;
        let plan = plan_parts(&session.tensors(), part_bytes);
        let (rank, world) = (group.rank(), group.world_size());
        let mine = plan
            .into_iter()
            .enumerate()
            .filter(|(index, _)| index % world == rank)
            .map(|(_, part)| part);
        Self {
            run: session.run.clone(),
            generation,
            mine: Arc::new(mine.collect()),
            pending: None,
        }
    }

    /// Copies the state and writes this rank's parts of it in the background; the report follows them.
    ///
    /// Waits for the checkpoint before it, so that at most one copy is held.
    #[tracing::instrument(name = "checkpoint", skip_all)]
    pub(crate) fn write(&mut self, state: &State, session: &Session) -> Result<(), WorkerError> {
        session.shared.activity.enter(phases::CHECKPOINT);
        self.finish(&session.runtime)?;
        let id = CheckpointId {
            step: state.step,
            generation: self.generation,
        };
        let written = pb::PartsWritten {
            generation: id.generation.get(),
            step: id.step.get(),
            parts: Vec::new(),
            weights_digest: weights_digest(&session.parameters, &state.parameters),
        };
        let task = write_share(
            self.run.clone(),
            id,
            Arc::clone(&self.mine),
            state.clone(),
            written,
            session.outbox.clone(),
        );
        self.pending = Some(session.runtime.spawn(task));
        Ok(())
    }

    /// Waits for the write that is under way.
    pub(crate) fn finish(&mut self, runtime: &Handle) -> Result<(), WorkerError> {
        let Some(task) = self.pending.take() else {
            return Ok(());
        };
        runtime
            .block_on(task)
            .map_err(|error| WorkerError::Job {
                reason: format!("writing a checkpoint was broken off: {error}"),
            })?
            .map_err(WorkerError::from)
    }
}

async fn write_share(
    run: Location,
    id: CheckpointId,
    mine: Arc<Vec<PartPlan>>,
    state: State,
    mut written: pb::PartsWritten,
    outbox: Outbox,
) -> Result<(), CheckpointError> {
    for plan in mine.iter() {
        let part = write_part(&run, id, plan, &state).await?;
        written.parts.push(pb::Part {
            index: part.index,
            name: part.name,
            bytes: part.bytes,
            digest: part.digest,
        });
    }
    outbox.state(From::PartsWritten(written));
    Ok(())
}
