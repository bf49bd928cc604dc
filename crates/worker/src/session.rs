//! What a worker keeps from one generation to the next.

use crate::allocator::keep_memory;
use crate::error::{JobError, WorkerError};
use crate::job::Job;
use crate::outbox::Outbox;
use crate::panics::fenced;
use crate::signals::Signals;
use crate::tempo::Tempo;
use crate::trace::Trace;
use crate::training::Training;
use crate::transport::choose_transport;
use fratmae_checkpoint::Copier;
use fratmae_collective::{Link, MeshPort};
use fratmae_config::Config;
use fratmae_model::DeviceKind;
use fratmae_protocol::pb;
use fratmae_trainer::{Engine, Opening, Task, TrainError};
use std::sync::Arc;
use tokio::runtime::Handle;

/// What a session is opened with.
pub(crate) struct Start {
    pub(crate) config: Config,
    pub(crate) welcome: pb::Welcome,
    /// Where it trains, or why it has no device.
    pub(crate) device: Result<DeviceKind, JobError>,
    pub(crate) links: Links,
}

/// What connects the training thread with peers, the coordinator, and the other threads of its process.
pub(crate) struct Links {
    pub(crate) outbox: Outbox,
    pub(crate) signals: Arc<Signals>,
    pub(crate) port: MeshPort,
    pub(crate) runtime: Handle,
}

/// A worker that has opened its job, its data and its task.
pub(crate) struct Session<T> {
    pub(crate) job: Job,
    pub(crate) links: Links,
    pub(crate) training: Training<T>,
    /// How it would have its gradients travel.
    pub(crate) transport: Link,
    /// Copies the state for checkpoints.
    pub(crate) copier: Copier,
    /// Of the generation that it trains in.
    pub(crate) trace: Trace,
}

impl<T: Task> Session<T> {
    /// Opens data, store, device and task; the weights come with a generation.
    pub(crate) fn open(start: Start) -> Result<Self, WorkerError> {
        keep_memory();
        let Start {
            config,
            welcome,
            device,
            links,
        } = start;
        let job = Job::open(config, &welcome, &links.runtime)?;
        let kind = device?;
        let device = fenced(|| fratmae_model::open(kind)).map_err(TrainError::from)?;
        let config = &job.config;
        let transport = choose_transport(&config.collective, kind)?;
        let task = T::open(&Opening {
            config,
            n_cases: u32::try_from(job.data.manifest.cases.len()).unwrap_or(u32::MAX),
            kind,
            device: &device,
        });
        let task = task.map_err(TrainError::Task)?;
        links
            .signals
            .activity
            .expect(Tempo::of(task.operations(), kind));
        let origin = welcome.origin.unwrap_or_default();
        let engine = Engine::new(task, config, kind, device).after(origin.step, origin.samples);
        Ok(Self {
            training: Training::new(engine),
            copier: Copier::start(config.checkpoint.memory_mib << 20)?,
            transport,
            trace: Trace::default(),
            job,
            links,
        })
    }
}
