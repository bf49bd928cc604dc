//! A rank's parts of each checkpoint: which ones they are, and what it reports of them.

use crate::error::WorkerError;
use crate::session::{Links, Session};
use crate::trace::Trace;
use fratmae_checkpoint::{BackgroundWriter, CheckpointId, WriterSettings, WrittenPart, plan_parts};
use fratmae_collective::ProcessGroup;
use fratmae_config::Checkpoint;
use fratmae_control::{Generation, Phase};
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_trainer::{DeviceState, Task, TrainState, tensor_specs};
use std::sync::Arc;
use std::time::Duration;

/// Writes this rank's parts in the background, one checkpoint at a time.
pub(crate) struct PartsWriter {
    generation: Generation,
    trace: Trace,
    pub(crate) writer: BackgroundWriter,
}

impl PartsWriter {
    /// Part `i` of every checkpoint is rank `i mod world size`'s.
    pub(crate) fn new<T: Task>(
        session: &Session<T>,
        generation: Generation,
        group: &dyn ProcessGroup,
    ) -> Result<Self, WorkerError> {
        let (job, links) = (&session.job, &session.links);
        let config = &job.config.checkpoint;
        let tensors = tensor_specs(session.training.engine.parameters());
        let plan = plan_parts(&tensors, config.part_mib << 20);
        let (rank, world) = (group.rank(), group.world_size());
        let mine = plan.into_iter().skip(rank).step_by(world).collect();
        let (run, runtime) = (job.run.clone(), links.runtime.clone());
        let (copier, signals) = (session.copier.clone(), Arc::clone(&links.signals));
        let progress = Arc::new(move || signals.activity.advance(Phase::Checkpoint));
        let settings = settings(config);
        let writer = BackgroundWriter::new(run, runtime, mine, settings, copier, progress)?;
        let trace = session.trace.clone();
        Ok(Self {
            generation,
            trace,
            writer,
        })
    }

    /// Begins a checkpoint of the state; the report goes out when this rank's parts are on the store.
    ///
    /// Waits for the checkpoint before it, so that at most one copy is held.
    pub(crate) fn write(&mut self, state: &TrainState, links: &Links) -> Result<(), WorkerError> {
        let _traced = self.trace.checkpoint(state.step().get()).entered();
        links.signals.activity.enter(Phase::Checkpoint);
        let id = CheckpointId {
            step: state.step(),
            generation: self.generation,
        };
        let outbox = links.outbox.clone();
        let report = move |written: Vec<WrittenPart>| {
            outbox.send_durable(From::PartsWritten(pb::PartsWritten {
                generation: id.generation.get(),
                step: id.step.get(),
                parts: written.into_iter().map(part).collect(),
            }));
        };
        match state {
            TrainState::Host(state) => self.writer.begin(id, state, Box::new(report))?,
            TrainState::Device(state) => {
                let vectors = DeviceState::clone(state);
                self.writer.begin_immutable(id, vectors, Box::new(report))?;
            }
        }
        Ok(())
    }

    /// Waits until the checkpoint that is under way is on the store.
    pub(crate) fn finish(&mut self, state: &TrainState) -> Result<(), WorkerError> {
        match state {
            TrainState::Host(state) => self.writer.finish(state)?,
            TrainState::Device(_) => self.writer.wait()?,
        }
        Ok(())
    }
}

fn settings(config: &Checkpoint) -> WriterSettings {
    WriterSettings {
        max_stall: Duration::from_millis(config.max_stall_ms),
        max_slowdown: config.max_slowdown_pct / 100.0,
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
