//! What a worker keeps from one generation to the next: the job, the data and the task, opened once.

use crate::allocator::keep_memory;
use crate::error::WorkerError;
use crate::link::choose_link;
use crate::outbox::Outbox;
use crate::panics::fenced;
use crate::shared::Shared;
use crate::tempo::Tempo;
use fratmae_checkpoint::Copier;
use fratmae_collective::Link;
use fratmae_config::Config;
use fratmae_dataset::{Cache, DataSet};
use fratmae_model::DeviceKind;
use fratmae_protocol::pb;
use fratmae_store::{Location, Patience, StoreError, local_path};
use fratmae_telemetry::PhaseLedger;
use fratmae_trainer::{Engine, Opening, Task, TrainError, TrainState};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

/// What a session is opened with.
pub(crate) struct Start {
    pub(crate) config: Config,
    pub(crate) welcome: pb::Welcome,
    /// Where it trains, or why it has no device.
    pub(crate) device: Result<DeviceKind, WorkerError>,
    pub(crate) outbox: Outbox,
    pub(crate) listener: TcpListener,
    pub(crate) shared: Arc<Shared>,
    pub(crate) ledger: PhaseLedger,
    pub(crate) runtime: tokio::runtime::Handle,
}

/// A worker that has the job, the data and the task in its hands.
pub(crate) struct Session<T> {
    pub(crate) config: Config,
    pub(crate) engine: Engine<T>,
    /// How it would have its gradients travel.
    pub(crate) link: Link,
    /// Copies the state for checkpoints.
    pub(crate) copier: Copier,
    pub(crate) ledger: PhaseLedger,
    /// The state after the last step applied, between generations.
    pub(crate) held: Option<TrainState>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) data: Arc<DataSet>,
    pub(crate) run: Location,
    pub(crate) run_id: String,
    pub(crate) listener: TcpListener,
    pub(crate) outbox: Outbox,
    pub(crate) runtime: tokio::runtime::Handle,
}

impl<T: Task> Session<T> {
    /// Opens data, store, device and task; the weights come with a generation.
    pub(crate) fn open(start: Start) -> Result<Self, WorkerError> {
        keep_memory();
        let Start {
            config,
            welcome,
            device,
            outbox,
            listener,
            shared,
            ledger,
            runtime,
        } = start;
        let (run, data_url) = places(&welcome, &config)?;
        let data = runtime.block_on(DataSet::open(&data_url))?;
        same_data(&data, &welcome)?;
        let cache = open_cache(&config, &data)?;
        let data = data.with_cache(cache);
        let kind = device?;
        let device = fenced(|| fratmae_model::open(kind)).map_err(TrainError::from)?;
        let link = choose_link(&config.collective, kind)?;
        let task = T::open(&Opening {
            config: &config,
            n_cases: u32::try_from(data.manifest.cases.len()).unwrap_or(u32::MAX),
            kind,
            device: &device,
        });
        let task = task.map_err(TrainError::Task)?;
        shared.activity.expect(Tempo::of(task.operations(), kind));
        let origin = welcome.origin.unwrap_or_default();
        let engine = Engine::new(task, &config, kind, device);
        Ok(Self {
            engine: engine.after(origin.step, origin.samples),
            run_id: welcome.run_id,
            data: Arc::new(data),
            copier: Copier::start(config.checkpoint.memory_mib << 20)?,
            config,
            link,
            ledger,
            held: None,
            shared,
            run,
            listener,
            outbox,
            runtime,
        })
    }
}

/// Opens the run's store and the data set named in the welcome.
fn places(welcome: &pb::Welcome, config: &Config) -> Result<(Location, Location), WorkerError> {
    let patience = Patience {
        stall: Duration::from_millis(config.store.stall_ms),
        total: Duration::from_secs(config.store.patience_s),
    };
    // The coordinator has opened both.
    let open = |url: &str| {
        let place = Location::open(url)?;
        Ok::<_, StoreError>(place.with_patience(patience).known_to_answer())
    };
    Ok((open(&welcome.run_url)?, open(&welcome.data_url)?))
}

/// Opens the cache that the job names; none for a data set that lies on this machine.
fn open_cache(config: &Config, data: &DataSet) -> Result<Option<Cache>, WorkerError> {
    let wanted = &config.data;
    if wanted.cache_dir.is_empty() || data.location.is_local() {
        return Ok(None);
    }
    let folder = local_path(&wanted.cache_dir)?;
    let digest = data.manifest.digest();
    Ok(Cache::open(&folder, wanted.cache_mib, &digest)?)
}

fn same_data(data: &DataSet, welcome: &pb::Welcome) -> Result<(), WorkerError> {
    let found = data.manifest.digest();
    if found == welcome.data_digest {
        return Ok(());
    }
    Err(WorkerError::OtherData {
        url: welcome.data_url.clone(),
        found,
        expected: welcome.data_digest.clone(),
    })
}
