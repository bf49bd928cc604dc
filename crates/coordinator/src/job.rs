//! What a run is begun with, kept as `config.json` on its store, and compared when it goes on.

use crate::admission::Allowed;
use crate::error::CoordinatorError;
use bytes::Bytes;
use fratmae_checkpoint::{Journal, Record};
use fratmae_config::{Config, ConfigError};
use fratmae_dataset::DataSet;
use fratmae_store::{Created, Location, Patience};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The object that makes a folder a run.
pub(crate) const RUN_FILE: &str = "config.json";

/// A job as the caller hands it over.
pub struct Job {
    /// Every value of the job file.
    pub config: Config,
    /// Where the run is kept.
    pub run: Location,
    /// The prepared data set.
    pub data: DataSet,
    /// Tells this coordinator's writes from any other's; must differ between processes.
    pub nonce: String,
    /// What is odd about the job on this data, a line each; told once the run is open.
    pub warnings: Vec<String>,
    /// What workers may differ in.
    pub allowed: Allowed,
    /// Whether the run is taken over from a coordinator that leads it.
    pub take_over: bool,
    /// This build, for the journal and for workers to compare.
    pub version: String,
}

/// The run's first object; created once, never written again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunFile {
    /// Tells this run's groups from any other's.
    pub(crate) run_id: String,
    /// The resolved job.
    pub(crate) config: serde_json::Value,
    /// Digest of the data set it was begun on.
    pub(crate) data_digest: String,
    /// Cases in it.
    pub(crate) cases: usize,
}

impl Job {
    /// How long the run's store is borne with once it is under way.
    pub(crate) fn patience(&self) -> Patience {
        Patience {
            stall: Duration::from_millis(self.config.store.stall_ms),
            total: Duration::from_secs(self.config.store.patience_s),
        }
    }

    /// What this job would write as the run's first object.
    ///
    /// # Errors
    /// `Encode`.
    pub(crate) fn run_file(&self) -> Result<RunFile, CoordinatorError> {
        let config = serde_json::from_str(&self.config.to_json());
        Ok(RunFile {
            run_id: self.nonce.clone(),
            config: config.map_err(CoordinatorError::encoding(RUN_FILE))?,
            data_digest: self.data.manifest.digest(),
            cases: self.data.manifest.cases.len(),
        })
    }

    /// Creates the run, unless another one did at the same moment.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn create(&self, ours: &RunFile) -> Result<Created, CoordinatorError> {
        let text = serde_json::to_vec_pretty(ours);
        let text = text.map_err(CoordinatorError::encoding(RUN_FILE))?;
        Ok(self.run.create(RUN_FILE, Bytes::from(text)).await?)
    }

    /// Reads the run's first object, if there is one, and refuses to go on with another job or other data.
    ///
    /// # Errors
    /// `OtherJob` with the keys that differ, `OtherData`, `Damaged`, `Newer`, or the store's.
    pub(crate) async fn compare(&self) -> Result<Option<RunFile>, CoordinatorError> {
        let theirs = match read_run_file(&self.run).await {
            Err(CoordinatorError::NoRun { .. }) => return Ok(None),
            read => read?,
        };
        let ours = self.run_file()?;
        self.compare_config(&theirs).await?;
        if theirs.data_digest != ours.data_digest {
            return Err(CoordinatorError::OtherData {
                run: self.run.url().to_owned(),
                url: self.data.location.url().to_owned(),
                began: theirs.data_digest,
                found: ours.data_digest,
            });
        }
        Ok(Some(theirs))
    }

    async fn compare_config(&self, theirs: &RunFile) -> Result<(), CoordinatorError> {
        let began = stored_config(&self.run, theirs, &self.version).await?;
        let differences = self.config.differing_keys(&began);
        if differences.is_empty() {
            return Ok(());
        }
        let each = |d: &fratmae_config::Difference| {
            format!("{} is {} here and {} there", d.key, d.ours, d.theirs)
        };
        let differences = differences.iter().map(each).collect::<Vec<_>>().join(", ");
        Err(CoordinatorError::OtherJob {
            run: self.run.url().to_owned(),
            differences,
        })
    }
}

/// Reads a run's first object.
///
/// # Errors
/// `NoRun` where there is none, `Damaged` where it is not JSON of the known shape.
pub(crate) async fn read_run_file(run: &Location) -> Result<RunFile, CoordinatorError> {
    let no_run = || CoordinatorError::NoRun {
        run: run.url().to_owned(),
    };
    let text = run.get_if_present(RUN_FILE).await?.ok_or_else(no_run)?;
    serde_json::from_slice(&text).map_err(|error| damaged(run, &error))
}

/// The job that a run was begun with; `ours` is this version.
///
/// # Errors
/// `Newer` where a version that knows more began the run, `Damaged` where no version can have.
pub async fn stored_config_of(run: &Location, ours: &str) -> Result<Config, CoordinatorError> {
    let run_file = read_run_file(run).await?;
    stored_config(run, &run_file, ours).await
}

async fn stored_config(
    run: &Location,
    run_file: &RunFile,
    ours: &str,
) -> Result<Config, CoordinatorError> {
    let error = match Config::from_json(&run_file.config.to_string()) {
        Ok(config) => return Ok(config),
        Err(error) => error,
    };
    // A job is checked before it is stored: what does not pass here was known to the version that stored it.
    let is_newer = matches!(
        error,
        ConfigError::UnknownKey { .. } | ConfigError::Value { .. } | ConfigError::Relation { .. }
    );
    if !is_newer {
        return Err(damaged(run, &error));
    }
    Err(CoordinatorError::Newer {
        run: run.url().to_owned(),
        version: began_by(run, ours).await,
        ours: ours.to_owned(),
        reason: error.to_string(),
    })
}

/// The version that began a run, in words: its journal tells, if it can be read.
async fn began_by(run: &Location, ours: &str) -> String {
    let entries = Journal::replay(run).await.unwrap_or_default();
    let first = entries.into_iter().find_map(|entry| match entry.record {
        Record::Fence { mark, .. } => Some(mark.version),
        _ => None,
    });
    match first {
        Some(version) if version != ours => format!("version {version}"),
        Some(version) => format!("another build of version {version}"),
        None => "another version".to_owned(),
    }
}

fn damaged(run: &Location, error: &dyn std::fmt::Display) -> CoordinatorError {
    CoordinatorError::Damaged {
        run: run.url().to_owned(),
        object: RUN_FILE.to_owned(),
        reason: format!(
            "{error}; if this is a run, restore the file from a copy, or move it away and run the same job again: the \
             checkpoints show whether it is the same"
        ),
    }
}
