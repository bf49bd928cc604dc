//! A run that begins with another run's weights and moments: which checkpoint it takes, and how that comes into the run.
//!
//! The checkpoint is copied as the new run's first, as generation 0 of its step: from then on the new run is a run like
//! any other, and does not need the other one. Steps are numbered on, and so is the order of samples.

use crate::error::CoordinatorError;
use crate::job::{Job, RunFile, read_run_file, stored_config, unresumable};
use crate::job_match::lineage_of;
use fratmae_checkpoint::{
    CheckpointId, Journal, Manifest, Record, commit, copy_parts, list, load_manifest,
    newest_good_but, verify_of,
};
use fratmae_config::{Config, Difference};
use fratmae_control::{Fence, Generation, Step};
use fratmae_store::Location;
use serde::{Deserialize, Serialize};

/// Another run to begin from.
#[derive(Clone, Debug)]
pub struct Fork {
    pub run: Location,
    /// The step of its checkpoint; its newest good one without it.
    pub step: Option<u64>,
}

/// The checkpoint that a run began from, as its first object and its journal keep it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The other run's address when the fork was made.
    pub run: String,
    /// The other run's identity.
    pub run_id: String,
    pub step: u64,
    /// The other run's generation that wrote it.
    pub generation: u64,
    /// The digest of its weights.
    pub weights_digest: String,
    /// Samples in the lineage of its weights.
    pub samples_seen: u64,
}

impl Origin {
    /// What the journal keeps of it.
    #[must_use]
    pub fn record(&self) -> Record {
        Record::Forked {
            run: self.run.clone(),
            run_id: self.run_id.clone(),
            step: self.step,
            generation: self.generation,
            weights_digest: self.weights_digest.clone(),
        }
    }

    /// The checkpoint in the other run.
    const fn there(&self) -> CheckpointId {
        CheckpointId {
            step: Step::new(self.step),
            generation: Generation::new(self.generation),
        }
    }

    /// The copy in the new run: no generation of its own has this number.
    const fn here(&self) -> CheckpointId {
        CheckpointId {
            step: Step::new(self.step),
            generation: Generation::new(0),
        }
    }
}

impl Job {
    /// Chooses the checkpoint that a new run is to begin from.
    ///
    /// # Errors
    /// `Fork` if there is none, if the job's network has another shape, or if the job has no step to make after it; the
    /// store's.
    pub(crate) async fn choose_origin(&mut self, fork: &Fork) -> Result<Origin, CoordinatorError> {
        let theirs = read_run_file(&fork.run).await?;
        let began = stored_config(&fork.run, &theirs, &self.version).await?;
        self.notes.extend(self.config.adopt_first_weights(&began));
        self.refuse_first_weights(fork, &began)?;
        let mut reshaped = self.config.differing_keys(&began);
        reshaped.retain(Difference::changes_shape);
        if !reshaped.is_empty() {
            let keys: Vec<_> = reshaped.iter().map(ToString::to_string).collect();
            let keys = keys.join("; ");
            let reason = format!("its network has another shape ({keys}); restore these values");
            return Err(cannot(&fork.run, reason));
        }
        let manifest = choose(fork, (&theirs, &began), &self.version).await?;
        if self.config.train.steps <= manifest.step {
            let reason = format!(
                "train.steps = {1} leaves no step after its checkpoint of step {0}, and a fork continues its step count; \
                 set train.steps above {0}, or fork an earlier checkpoint with --fork {2}@STEP",
                manifest.step,
                self.config.train.steps,
                fork.run.url()
            );
            return Err(cannot(&fork.run, reason));
        }
        Ok(Origin {
            run: fork.run.url().to_owned(),
            run_id: theirs.run_id,
            step: manifest.step,
            generation: manifest.generation,
            weights_digest: manifest.weights_digest,
            samples_seen: manifest.samples_seen,
        })
    }

    /// A fork has all its weights from the other run: a file that gives first ones would be passed over in silence.
    fn refuse_first_weights(&self, fork: &Fork, began: &Config) -> Result<(), CoordinatorError> {
        let mut differences = self.config.differing_keys(began);
        differences.retain(|d| d.key.ends_with("_digest"));
        let Some(digest) = differences.first() else {
            return Ok(());
        };
        let reason = format!(
            "a fork takes all weights from that run, but the job names other first weights ({digest}); remove that key"
        );
        Err(cannot(&fork.run, reason))
    }

    /// Refuses a run that is there and is not the fork that is asked for.
    ///
    /// # Errors
    /// `Unresumable`.
    pub(crate) fn compare_origin(&self, theirs: &RunFile) -> Result<(), CoordinatorError> {
        let Some(fork) = &self.fork else {
            return Ok(());
        };
        let began = match &theirs.origin {
            Some(origin) if origin.run != fork.run.url() => {
                format!("was forked from {}", origin.run)
            }
            Some(origin) if fork.step.is_some_and(|step| step != origin.step) => {
                format!("was forked from step {}", origin.step)
            }
            Some(_) => return Ok(()),
            None => "is not a fork".to_owned(),
        };
        let reason =
            format!("it exists and {began}; remove --fork to resume it, or choose another --run");
        Err(unresumable(&self.run, &reason))
    }
}

/// The newest good checkpoint of the other run, or the one that is asked for; none that is given up.
async fn choose(
    fork: &Fork,
    (run_file, config): (&RunFile, &Config),
    version: &str,
) -> Result<Manifest, CoordinatorError> {
    let journal = Journal::read(&fork.run).await?;
    let lineage = lineage_of(config, run_file, &journal.entries, version);
    let state = journal.state();
    let removed = state.removed();
    let Some(step) = fork.step else {
        let newest = newest_good_but(&fork.run, &lineage, removed).await?;
        let none = || cannot(&fork.run, "it has no good checkpoint yet".to_owned());
        return newest.manifest.ok_or_else(none);
    };
    let mut kept = list(&fork.run).await?;
    kept.retain(|id| !removed.contains(id));
    match at_step(&kept, step) {
        Ok(id) => Ok(verify_of(&fork.run, &lineage, id).await?),
        Err(reason) => Err(cannot(&fork.run, reason)),
    }
}

/// The newest checkpoint of a step, or which steps there are.
pub(crate) fn at_step(kept: &[CheckpointId], step: u64) -> Result<CheckpointId, String> {
    let found = kept.iter().rfind(|id| id.step.get() == step);
    found.copied().ok_or_else(|| {
        let steps: Vec<_> = kept.iter().map(|id| id.step.to_string()).collect();
        match steps.as_slice() {
            [] => "it has no checkpoint yet".to_owned(),
            steps => format!(
                "it has no checkpoint of step {step}, but of {}",
                steps.join(", ")
            ),
        }
    })
}

/// Copies the checkpoint that a run is to begin from into it, and commits it there.
///
/// # Errors
/// The other run is not there any more, or not what it was; both stores'.
pub(crate) async fn copy_origin(
    job: &Job,
    run: &Location,
    (run_file, origin): (&RunFile, &Origin),
    fence: Fence,
) -> Result<Manifest, CoordinatorError> {
    let from = Location::open(&origin.run)?.with_retry_policy(job.patience());
    let theirs = load_manifest(&from, origin.there()).await?;
    if theirs.weights_digest != origin.weights_digest {
        let reason = format!(
            "its checkpoint of step {} has changed since the fork was made",
            origin.step
        );
        return Err(cannot(&from, reason));
    }
    let id = origin.here();
    copy_parts(&from, &theirs, run, id).await?;
    let manifest = Manifest {
        generation: id.generation.get(),
        fence: fence.get(),
        config_digest: job.config.digest(),
        data_digest: run_file.data_digest.clone(),
        seed: job.config.run.seed,
        ..theirs
    };
    commit(run, &manifest).await?;
    Ok(manifest)
}

fn cannot(run: &Location, reason: String) -> CoordinatorError {
    CoordinatorError::Fork {
        run: run.url().to_owned(),
        reason,
    }
}
