//! What a run is begun with, kept as `config.json` on its store, and compared when it goes on.

use crate::admission::Allowed;
use crate::error::CoordinatorError;
use crate::fork::{Fork, Origin};
use bytes::Bytes;
use fratmae_checkpoint::{Journal, RUN_FILE, Record};
use fratmae_config::{Config, ConfigError};
use fratmae_dataset::DataSet;
use fratmae_store::{Created, Location, RetryPolicy, StoreError};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::time::Duration;

/// The learning rate's formula: 1 fell to zero at the last step, 2 falls to zero one step after it.
const SCHEDULE: u32 = 2;

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
    /// The run to begin from, if this one is not there yet.
    pub fork: Option<Fork>,
    /// Why files of first weights that the job names cannot be read here, a line each: no reason to stop for a run that
    /// has a checkpoint.
    pub unread: Vec<String>,
    /// What workers may differ in.
    pub allowed: Allowed,
    /// Whether the run is taken over from a coordinator that leads it.
    pub take_over: bool,
    /// This build, for the journal and for workers to compare.
    pub version: String,
    /// What is worth knowing and not odd, a line each; told once the run is open.
    pub notes: Vec<String>,
}

/// The run's first object; created once, never written again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// Tells this run's groups from any other's.
    pub run_id: String,
    /// The job that it was begun with.
    pub config: serde_json::Value,
    /// Digest of the data set it was begun on.
    pub data_digest: String,
    /// Digest of the bytes of that data set's manifest without their seal; runs of earlier versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_digest: Option<String>,
    /// Cases of the data set.
    pub cases: usize,
    /// The learning rate's formula that its steps follow.
    #[serde(default = "first_schedule")]
    pub schedule: u32,
    /// The checkpoint of another run that it began from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Runs that do not say which formula they follow were begun when there was one.
const fn first_schedule() -> u32 {
    1
}

impl RunFile {
    /// The step that it began at.
    #[must_use]
    pub fn began_at(&self) -> u64 {
        self.origin.as_ref().map_or(0, |origin| origin.step)
    }

    /// Samples in the lineage of the weights after a step.
    #[must_use]
    pub fn samples_at(&self, step: u64, batch: usize) -> u64 {
        let (from, seen) = self
            .origin
            .as_ref()
            .map_or((0, 0), |o| (o.step, o.samples_seen));
        seen + step.saturating_sub(from) * batch as u64
    }

    /// Refuses to go on with other learning rates than the run has had.
    ///
    /// # Errors
    /// `Unresumable`.
    pub fn require_schedule(&self, run: &Location) -> Result<(), CoordinatorError> {
        let version = match self.schedule.cmp(&SCHEDULE) {
            Ordering::Equal => return Ok(()),
            Ordering::Less => "an older version, whose learning rate is zero at the last step",
            Ordering::Greater => "a newer version, which has another learning rate",
        };
        Err(unresumable(
            run,
            &format!(
                "it was started by {version}; finish it with that version, or start a new run from its checkpoint with --fork {}",
                run.url()
            ),
        ))
    }
}

impl Job {
    /// How long the run's store is borne with once it is under way.
    pub(crate) fn patience(&self) -> RetryPolicy {
        RetryPolicy {
            stall: Duration::from_millis(self.config.store.stall_ms),
            total: Duration::from_secs(self.config.store.patience_s),
        }
    }

    /// What this job would write as the run's first object, if it begins from `origin`.
    ///
    /// # Errors
    /// `Encode`.
    pub(crate) fn run_file(&self, origin: Option<Origin>) -> Result<RunFile, CoordinatorError> {
        let config = serde_json::from_str(&self.config.to_json());
        Ok(RunFile {
            run_id: self.nonce.clone(),
            config: config.map_err(CoordinatorError::encoding(RUN_FILE))?,
            data_digest: self.data.manifest.digest(),
            manifest_digest: Some(self.data.manifest_digest.clone()),
            cases: self.data.manifest.cases.len(),
            schedule: SCHEDULE,
            origin,
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

    /// Reads the run's first object, if there is one, and refuses to go on with another job or other data. What the job
    /// leaves unsaid of its first weights is then the run's.
    ///
    /// # Errors
    /// `OtherJob` with the keys that differ, `OtherData`, `Unresumable`, `Damaged`, `Newer`, or the store's.
    pub(crate) async fn compare(&mut self) -> Result<Option<RunFile>, CoordinatorError> {
        let Some(theirs) = find_run_file(&self.run).await? else {
            return Ok(None);
        };
        self.compare_origin(&theirs)?;
        let began = stored_config(&self.run, &theirs, &self.version).await?;
        self.notes.extend(self.config.adopt_first_weights(&began));
        if let Some(line) = self.other_first_weights(&began) {
            let reason = format!(
                "{line}; restore the file, or remove the key (a run that has a checkpoint does not need the file)"
            );
            return Err(unresumable(&self.run, &reason));
        }
        let run = self.run.url().to_owned();
        let differences = self.config.differing_keys(&began);
        if !differences.is_empty() {
            return Err(CoordinatorError::OtherJob { run, differences });
        }
        let found = self.data.manifest.digest();
        if theirs.data_digest != found {
            return Err(CoordinatorError::OtherData {
                run,
                url: self.data.location.url().to_owned(),
                began: theirs.data_digest,
                found,
            });
        }
        self.compare_manifest(&theirs)?;
        Ok(Some(theirs))
    }

    /// Refuses the same cases under a manifest of other bytes: what is read of it beside their digests may be changed.
    fn compare_manifest(&self, began: &RunFile) -> Result<(), CoordinatorError> {
        let found = &self.data.manifest_digest;
        match &began.manifest_digest {
            Some(began) if began != found => Err(CoordinatorError::OtherManifest {
                run: self.run.url().to_owned(),
                url: self.data.location.url().to_owned(),
                began: began.clone(),
                found: found.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Makes sure that the files are there which the first weights are made of.
    ///
    /// # Errors
    /// `Unresumable` with the first that is not.
    pub(crate) fn require_first_weights(&self) -> Result<(), CoordinatorError> {
        let model = &self.config.model;
        let unnamed = |(key, path, digest): (&str, &String, &String)| {
            let is_unnamed = path.is_empty() && !digest.is_empty();
            is_unnamed.then(|| {
                format!(
                    "its first weights come from a file with digest {digest}; name that file with {key}"
                )
            })
        };
        let files = [
            ("model.init_from", &model.init_from, &model.init_digest),
            (
                "model.text.weights",
                &model.text.weights,
                &model.text.weights_digest,
            ),
        ];
        let mut missing = self
            .unread
            .iter()
            .cloned()
            .chain(files.into_iter().filter_map(unnamed));
        missing.next().map_or(Ok(()), |line| {
            let reason =
                format!("{line}; the run needs this file because it has no checkpoint yet");
            Err(unresumable(&self.run, &reason))
        })
    }

    /// What is wrong with the first file of weights that is not the one which a run began from.
    pub(crate) fn other_first_weights(&self, began: &Config) -> Option<String> {
        let (ours, theirs) = (&self.config.model, &began.model);
        let files = [
            (
                "model.init_from",
                &ours.init_from,
                &ours.init_digest,
                &theirs.init_digest,
            ),
            (
                "model.text.weights",
                &ours.text.weights,
                &ours.text.weights_digest,
                &theirs.text.weights_digest,
            ),
        ];
        let is_other = |(_, path, ours, theirs): &(&str, &String, &String, &String)| {
            !path.is_empty() && ours != theirs && !theirs.is_empty()
        };
        let (key, path, ours, theirs) = files.into_iter().find(is_other)?;
        Some(format!(
            "{key} = {path} is not the file that the run started from: its digest is {ours}, was {theirs}"
        ))
    }
}

/// Reads a run's first object.
///
/// # Errors
/// `NoRun` where there is none, `Damaged` where it is not JSON of the known shape.
pub async fn read_run_file(run: &Location) -> Result<RunFile, CoordinatorError> {
    find_run_file(run).await?.ok_or_else(|| no_run(run))
}

/// Reads a run's first object, if there is one.
async fn find_run_file(run: &Location) -> Result<Option<RunFile>, CoordinatorError> {
    let text = match run.get_if_present(RUN_FILE).await {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(None),
        Err(error @ StoreError::TooLarge { .. }) => return Err(damaged(run, &error)),
        Err(error) => return Err(error.into()),
    };
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

/// Refuses a place that holds no run, whatever state the run is in.
///
/// # Errors
/// `NoRun`, or the store's.
pub async fn ensure_run(run: &Location) -> Result<(), CoordinatorError> {
    match run.has(RUN_FILE).await? {
        true => Ok(()),
        false => Err(no_run(run)),
    }
}

fn no_run(run: &Location) -> CoordinatorError {
    CoordinatorError::NoRun {
        run: run.url().to_owned(),
    }
}

/// Why a run does not go on.
pub(crate) fn unresumable(run: &Location, reason: &str) -> CoordinatorError {
    CoordinatorError::Unresumable {
        run: run.url().to_owned(),
        reason: reason.to_owned(),
    }
}

/// As [`stored_config_of`], of a first object that was read.
///
/// # Errors
/// As [`stored_config_of`].
pub async fn stored_config(
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
