//! The run as a worker knows it: the job, the run's store and the data set, opened once.

use crate::error::{JobError, WorkerError};
use fratmae_config::{BadSample as OnBadSample, Config};
use fratmae_control::Step;
use fratmae_dataset::{BadSample, Cache, DataSet, Loader, LoaderOptions};
use fratmae_protocol::pb;
use fratmae_store::{Location, RetryPolicy, StoreError, local_path};
use fratmae_trainer::{Samples, Task, stack_options};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// The same for every generation.
pub(crate) struct Job {
    pub(crate) config: Config,
    pub(crate) run_id: String,
    pub(crate) run: Location,
    pub(crate) data: Arc<DataSet>,
}

impl Job {
    /// Opens the run's store and the data set.
    pub(crate) fn open(
        config: Config,
        welcome: &pb::Welcome,
        runtime: &Handle,
    ) -> Result<Self, WorkerError> {
        let (run, data_url) = locations(welcome, &config)?;
        let data = runtime.block_on(DataSet::open(&data_url))?;
        require_same_data(&data, welcome)?;
        let cache = open_cache(&config, &data)?;
        Ok(Self {
            config,
            run_id: welcome.run_id.clone(),
            run,
            data: Arc::new(data.with_cache(cache)),
        })
    }

    /// Whether the job wants a checkpoint after a step.
    pub(crate) fn is_checkpoint_due(&self, step: Step) -> bool {
        let step = step.get();
        step.is_multiple_of(self.config.checkpoint.every) || step == self.config.train.steps
    }

    /// Starts reading samples ahead.
    pub(crate) fn start_loader<T: Task>(&self, samples: Samples, runtime: &Handle) -> Loader {
        let data = &self.config.data;
        let stacks = stack_options(&self.config, T::WANTS_LABELS);
        let options = LoaderOptions {
            bytes: data.prefetch_mib << 20,
            bad_sample: match data.bad_sample {
                OnBadSample::Fail => BadSample::Fail,
                OnBadSample::Skip => BadSample::Skip,
            },
        };
        Loader::start(Arc::clone(&self.data), stacks, samples, options, runtime)
    }
}

/// The run's store and the data set that the welcome names.
fn locations(welcome: &pb::Welcome, config: &Config) -> Result<(Location, Location), StoreError> {
    let retries = RetryPolicy {
        stall: Duration::from_millis(config.store.stall_ms),
        total: Duration::from_secs(config.store.patience_s),
    };
    // The coordinator has opened both.
    let open = |url: &str| {
        let location = Location::open(url)?;
        Ok::<_, StoreError>(location.with_retry_policy(retries).assume_reachable())
    };
    Ok((open(&welcome.run_url)?, open(&welcome.data_url)?))
}

/// Opens the cache that the job names; none for a data set on this machine.
fn open_cache(config: &Config, data: &DataSet) -> Result<Option<Cache>, WorkerError> {
    let wanted = &config.data;
    if wanted.cache_dir.is_empty() || data.location.is_local() {
        return Ok(None);
    }
    let folder = local_path(&wanted.cache_dir)?;
    let digest = data.manifest.digest();
    Ok(Cache::open(&folder, wanted.cache_mib, &digest)?)
}

/// The same cases, and all that the manifest says of them.
fn require_same_data(data: &DataSet, welcome: &pb::Welcome) -> Result<(), JobError> {
    let url = || welcome.data_url.clone();
    let found = data.manifest.digest();
    if found != welcome.data_digest {
        return Err(JobError::OtherData {
            url: url(),
            found,
            expected: welcome.data_digest.clone(),
        });
    }
    let (found, expected) = (&data.manifest_digest, &welcome.manifest_digest);
    if !expected.is_empty() && found != expected {
        return Err(JobError::OtherManifest {
            url: url(),
            found: found.clone(),
            expected: expected.clone(),
        });
    }
    Ok(())
}
