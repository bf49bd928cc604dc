//! A run as it lies on its store: its job and the weights of a checkpoint, for the commands that look at weights.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use fratmae_checkpoint::{CheckpointId, Lineage, Manifest, newest_good_but, restore, verify_of};
use fratmae_config::Config;
use fratmae_coordinator::{lineage, stored_config_of};
use fratmae_model::{FratMae, Parameter};
use fratmae_store::Location;
use fratmae_trainer::tensor_specs;

/// A run's job and weights.
pub(crate) struct RunWeights {
    pub(crate) url: String,
    pub(crate) config: Config,
    pub(crate) manifest: Manifest,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) flat: Vec<f32>,
}

impl RunWeights {
    /// Reads a run's newest good checkpoint, or the one at `step`.
    ///
    /// # Errors
    /// There is no such run or checkpoint, or it is damaged.
    pub(crate) async fn open(url: &str, step: Option<u64>) -> Result<Self> {
        let run = Location::open(url)?;
        let version = env!("CARGO_PKG_VERSION");
        let config = stored_config_of(&run, version).await?;
        let job = lineage(&run, version).await?;
        let manifest = match step {
            None => newest(&run, &job).await?,
            Some(step) => at(&run, &job, step).await?,
        };
        let parameters = FratMae::layout(&config.model);
        let state = restore(&run, &manifest, &tensor_specs(&parameters)).await?;
        Ok(Self {
            url: run.url().to_owned(),
            config,
            manifest,
            parameters,
            flat: state.parameters,
        })
    }
}

async fn newest(run: &Location, job: &Lineage) -> Result<Manifest> {
    let newest = newest_good_but(run, job, &BTreeSet::new()).await?;
    for (id, error) in &newest.damaged {
        tracing::warn!("checkpoint of step {} is passed over: {error}", id.step);
    }
    let url = run.url();
    newest.manifest.with_context(|| {
        format!("{url} has no checkpoint yet; check the address with `fratmae status {url}`")
    })
}

async fn at(run: &Location, job: &Lineage, step: u64) -> Result<Manifest> {
    let committed = fratmae_checkpoint::list(run).await?;
    let is_wanted = |id: &&CheckpointId| id.step.get() == step;
    let url = run.url();
    let id = committed.iter().rfind(is_wanted).with_context(|| {
        format!("{url} has no checkpoint at step {step}; `fratmae checkpoint list {url}` lists those it has")
    })?;
    Ok(verify_of(run, job, *id).await?)
}
