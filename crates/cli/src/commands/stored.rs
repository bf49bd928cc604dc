//! A run as it lies on its store: its job and the weights of a checkpoint, for the commands that look at weights.

use anyhow::{Context as _, Result};
use fratmae_checkpoint::{CheckpointId, Manifest, TensorSpec, newest_good, restore, verify};
use fratmae_config::Config;
use fratmae_model::{FratMae, Parameter};
use fratmae_store::Location;

/// A run's job and weights.
pub(crate) struct Stored {
    pub(crate) url: String,
    pub(crate) config: Config,
    pub(crate) manifest: Manifest,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) flat: Vec<f32>,
}

impl Stored {
    /// Reads a run's newest good checkpoint, or the one at `step`.
    ///
    /// # Errors
    /// There is no such run or checkpoint, or it is damaged.
    pub(crate) async fn open(url: &str, step: Option<u64>) -> Result<Self> {
        let run = Location::open(url)?;
        let config = config(&run).await?;
        let manifest = match step {
            None => newest(&run).await?,
            Some(step) => at(&run, step).await?,
        };
        let parameters = FratMae::layout(&config.model);
        let state = restore(&run, &manifest, &tensors(&parameters)).await?;
        Ok(Self {
            url: run.url().to_owned(),
            config,
            manifest,
            parameters,
            flat: state.parameters,
        })
    }
}

/// The job that a run was begun with.
async fn config(run: &Location) -> Result<Config> {
    let no_run = || {
        let url = run.url();
        format!(
            "{url} is no run: it has no config.json; check the address with `fratmae status {url}`"
        )
    };
    let text = run.get_if_present("config.json").await?;
    let text = text.with_context(no_run)?;
    let object = run.url_of("config.json");
    let file: serde_json::Value =
        serde_json::from_slice(&text).with_context(|| format!("{object} is damaged"))?;
    Ok(Config::from_json(&file["config"].to_string())?)
}

async fn newest(run: &Location) -> Result<Manifest> {
    let newest = newest_good(run).await?;
    for (id, error) in &newest.damaged {
        tracing::warn!("checkpoint of step {} is passed over: {error}", id.step);
    }
    let url = run.url();
    newest.manifest.with_context(|| {
        format!("{url} has no checkpoint yet; check the address with `fratmae status {url}`")
    })
}

async fn at(run: &Location, step: u64) -> Result<Manifest> {
    let committed = fratmae_checkpoint::list(run).await?;
    let is_wanted = |id: &&CheckpointId| id.step.get() == step;
    let url = run.url();
    let id = committed.iter().rfind(is_wanted).with_context(|| {
        format!("{url} has no checkpoint at step {step}; `fratmae checkpoint list {url}` lists those it has")
    })?;
    Ok(verify(run, *id).await?)
}

fn tensors(parameters: &[Parameter]) -> Vec<TensorSpec> {
    let spec = |parameter: &Parameter| TensorSpec {
        name: parameter.name.clone(),
        shape: parameter.shape.clone(),
        offset: parameter.offset,
    };
    parameters.iter().map(spec).collect()
}
