//! A rank's share of each checkpoint: which parts are its own, and what it reports of them.

use crate::error::WorkerError;
use crate::session::Session;
use crate::snapshots::{SnapshotSettings, Snapshots};
use crate::upload::WrittenPart;
use fratmae_checkpoint::{CheckpointId, plan_parts};
use fratmae_collective::ProcessGroup;
use fratmae_config::Checkpoint;
use fratmae_control::{Generation, Phase};
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_trainer::{DeviceState, Task, TrainState, tensor_specs};
use std::sync::Arc;
use std::time::Duration;

/// Writes this rank's parts in the background, one checkpoint at a time.
pub(crate) struct ShareWriter {
    generation: Generation,
    pub(crate) snapshots: Snapshots,
}

impl ShareWriter {
    /// Part `i` of every checkpoint is rank `i mod world size`'s.
    pub(crate) fn new<T: Task>(
        session: &Session<T>,
        generation: Generation,
        group: &dyn ProcessGroup,
    ) -> Result<Self, WorkerError> {
        let config = &session.config.checkpoint;
        let plan = plan_parts(
            &tensor_specs(session.engine.parameters()),
            config.part_mib << 20,
        );
        let (rank, world) = (group.rank(), group.world_size());
        let mine = plan.into_iter().skip(rank).step_by(world).collect();
        let (run, runtime) = (session.run.clone(), session.runtime.clone());
        let reserve = session.copies.clone();
        let snapshots = Snapshots::new(run, runtime, mine, settings(config), reserve)?;
        let shared = Arc::clone(&session.shared);
        let progress = move || shared.activity.advance(Phase::Checkpoint);
        Ok(Self {
            generation,
            snapshots: snapshots.telling(Arc::new(progress)),
        })
    }

    /// Begins a checkpoint of the state; the report goes out when this rank's parts are on the store.
    ///
    /// Waits for the checkpoint before it, so that at most one copy is held.
    #[tracing::instrument(name = "checkpoint", skip_all)]
    pub(crate) fn write<T: Task>(
        &mut self,
        state: &TrainState,
        session: &Session<T>,
    ) -> Result<(), WorkerError> {
        session.shared.activity.enter(Phase::Checkpoint);
        let id = CheckpointId {
            step: state.step(),
            generation: self.generation,
        };
        let outbox = session.outbox.clone();
        let report = move |written: Vec<WrittenPart>| {
            outbox.state(From::PartsWritten(pb::PartsWritten {
                generation: id.generation.get(),
                step: id.step.get(),
                parts: written.into_iter().map(part).collect(),
            }));
        };
        match state {
            TrainState::Host(state) => self.snapshots.begin(id, state, Box::new(report)),
            TrainState::Device(state) => {
                let (vectors, reader) = (DeviceState::clone(state), &session.reader);
                self.snapshots
                    .begin_of_unchanging(id, vectors, reader, Box::new(report))
            }
        }
    }

    /// Waits until the checkpoint that is under way is on the store.
    pub(crate) fn finish(&mut self, state: &TrainState) -> Result<(), WorkerError> {
        match state {
            TrainState::Host(state) => self.snapshots.finish(state),
            TrainState::Device(_) => self.snapshots.wait(),
        }
    }
}

fn settings(config: &Checkpoint) -> SnapshotSettings {
    SnapshotSettings {
        max_stall: Duration::from_millis(config.max_stall_ms),
        max_slowdown: config.max_slowdown_pct / 100.0,
        memory: config.memory_mib << 20,
        every: config.every,
    }
}

fn part(written: WrittenPart) -> pb::Part {
    let WrittenPart { record, weights } = written;
    pb::Part {
        index: record.index,
        name: record.name,
        bytes: record.bytes,
        digest: record.digest,
        weights,
    }
}
