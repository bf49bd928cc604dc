//! What a worker keeps from one generation to the next: the job, the data and the model, opened once.

use crate::allocator::keep_memory;
use crate::error::WorkerError;
use crate::link::choose_link;
use crate::optimizer::AdamW;
use crate::outbox::Outbox;
use crate::panics::fenced;
use crate::plan::Plan;
use crate::resident::Resident;
use crate::shared::Shared;
use crate::snapshot::Reader;
use crate::tempo::{Tempo, Work};
use fratmae_checkpoint::Reserve;
use fratmae_collective::Link;
use fratmae_config::{Config, Precision, StatePlace};
use fratmae_dataset::{Cache, DataSet};
use fratmae_model::{Device, DeviceKind, FratMae, Parameter, Tokenizer};
use fratmae_protocol::pb;
use fratmae_store::{Location, Patience, StoreError, local_path};
use fratmae_telemetry::PhaseLedger;
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

/// A worker that has the job, the data and the model in its hands.
pub(crate) struct Session {
    pub(crate) config: Config,
    pub(crate) device: Device,
    pub(crate) kind: DeviceKind,
    /// Whether the state is kept where the model computes.
    pub(crate) is_state_on_device: bool,
    /// How it would have its gradients travel.
    pub(crate) link: Link,
    pub(crate) model: FratMae,
    pub(crate) parameters: Vec<Parameter>,
    /// A gradient that was applied, for the next one's memory.
    pub(crate) spare: Vec<f32>,
    /// Memory for the copies that checkpoints are written from.
    pub(crate) copies: Reserve,
    /// What reads a state on the device for checkpoints.
    pub(crate) reader: Reader,
    pub(crate) optimizer: AdamW,
    /// The step whose parameters were summed up after its update, and their sum.
    pub(crate) bit_sum: Option<(u64, u64)>,
    /// Batches in a row that were passed over.
    pub(crate) bad_in_a_row: u32,
    pub(crate) plan: Plan,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) ledger: PhaseLedger,
    /// The state after the last step applied, between generations.
    pub(crate) held: Option<Resident>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) data: Arc<DataSet>,
    pub(crate) run: Location,
    pub(crate) run_id: String,
    pub(crate) listener: TcpListener,
    pub(crate) outbox: Outbox,
    pub(crate) runtime: tokio::runtime::Handle,
}

impl Session {
    /// Opens data, store and device, and lays the model out; its weights come with a generation.
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
        let precision = precision(&config, kind)?;
        let device = fenced(|| fratmae_model::open(kind))?;
        let link = choose_link(&config.collective, kind)?;
        let recompute = config.workers.activation_checkpointing;
        let model = FratMae::blank(&config.model, &device)
            .recomputing(recompute)
            .computing_in(precision);
        let parameters = model.parameters();
        let plan = Plan::new(&config, cases(&data));
        let work = Work::of(&config, &parameters, plan.slot_size());
        shared.activity.expect(Tempo::of(work, kind));
        let copies = config.checkpoint.memory_mib << 20;
        let copies = usize::try_from(copies).unwrap_or(usize::MAX);
        let origin = welcome.origin.unwrap_or_default();
        Ok(Self {
            optimizer: AdamW::new(&config.train, &parameters),
            is_state_on_device: is_on_device(config.workers.state, kind),
            plan: plan.after(origin.step, origin.samples),
            tokenizer: Tokenizer::new(),
            run_id: welcome.run_id,
            data: Arc::new(data),
            config,
            kind,
            device,
            link,
            model,
            parameters,
            spare: Vec::new(),
            copies: Reserve::new(copies),
            reader: Reader::start()?,
            bit_sum: None,
            bad_in_a_row: 0,
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

fn cases(data: &DataSet) -> u32 {
    u32::try_from(data.manifest.cases.len()).unwrap_or(u32::MAX)
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

/// The precision that the job asks for. The CPU has kernels for f32 alone, and a job that asks for less must not get
/// more without being told.
fn precision(config: &Config, kind: DeviceKind) -> Result<Precision, WorkerError> {
    match (config.train.precision, kind) {
        (Precision::Bf16, DeviceKind::Cpu) => Err(WorkerError::NoHalfPrecision),
        (precision, _) => Ok(precision),
    }
}

/// Whether the state is kept where a device of this kind computes.
fn is_on_device(asked: StatePlace, kind: DeviceKind) -> bool {
    match (asked, kind) {
        (StatePlace::Host, _) | (StatePlace::Auto, DeviceKind::Cpu) => false,
        (StatePlace::Device, _) | (StatePlace::Auto, DeviceKind::Cuda { .. }) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_for_gpus() {
        let mut config = Config::default();
        let gpu = DeviceKind::Cuda { index: 0 };
        for (asked, on_cpu) in [(Precision::F32, true), (Precision::Bf16, false)] {
            config.train.precision = asked;
            assert_eq!(precision(&config, gpu).unwrap(), asked);
            assert_eq!(precision(&config, DeviceKind::Cpu).is_ok(), on_cpu);
        }
    }
}
