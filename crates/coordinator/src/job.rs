//! What a run is begun with, kept as `config.json` on its store, and compared when it goes on.

use crate::admission::Allowed;
use crate::error::CoordinatorError;
use bytes::Bytes;
use fratmae_config::Config;
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

    fn run_file(&self) -> Result<RunFile, CoordinatorError> {
        let config =
            serde_json::from_str(&self.config.to_json()).map_err(|error| self.damaged(&error))?;
        Ok(RunFile {
            run_id: self.nonce.clone(),
            config,
            data_digest: self.data.manifest.digest(),
            cases: self.data.manifest.cases.len(),
        })
    }

    /// Creates the run, or reads it and refuses to go on with another job or other data.
    ///
    /// # Errors
    /// `OtherJob` with the keys that differ, `OtherData`, `Damaged`, or the store's.
    pub(crate) async fn create_or_compare(&self) -> Result<RunFile, CoordinatorError> {
        let ours = self.run_file()?;
        let text = serde_json::to_vec_pretty(&ours).map_err(|error| self.damaged(&error))?;
        if matches!(
            self.run.create(RUN_FILE, Bytes::from(text)).await?,
            Created::New | Created::Ours
        ) {
            return Ok(ours);
        }
        let theirs = read_run_file(&self.run).await?;
        self.compare_config(&theirs)?;
        if theirs.data_digest != ours.data_digest {
            return Err(CoordinatorError::OtherData {
                run: self.run.url().to_owned(),
                url: self.data.location.url().to_owned(),
                began: theirs.data_digest,
                found: ours.data_digest,
            });
        }
        Ok(theirs)
    }

    fn compare_config(&self, theirs: &RunFile) -> Result<(), CoordinatorError> {
        let began =
            Config::from_json(&theirs.config.to_string()).map_err(|error| self.damaged(&error))?;
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

    fn damaged(&self, error: &dyn std::fmt::Display) -> CoordinatorError {
        damaged(&self.run, error)
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

/// Refuses a place that holds no run, whatever state the run is in.
///
/// # Errors
/// `NoRun`, or the store's.
pub async fn ensure_run(run: &Location) -> Result<(), CoordinatorError> {
    match run.get_if_present(RUN_FILE).await? {
        Some(_) => Ok(()),
        None => Err(CoordinatorError::NoRun {
            run: run.url().to_owned(),
        }),
    }
}

fn damaged(run: &Location, error: &dyn std::fmt::Display) -> CoordinatorError {
    CoordinatorError::Damaged {
        run: run.url().to_owned(),
        object: RUN_FILE.to_owned(),
        reason: error.to_string(),
    }
}
