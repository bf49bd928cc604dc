//! What can end a coordinator.

use fratmae_checkpoint::{Action, CheckpointError};
use fratmae_config::Difference;
use fratmae_control::Parting;
use fratmae_dataset::DataSetError;
use fratmae_store::StoreError;
use std::fmt::Display;
use std::path::PathBuf;

/// Why a run did not start or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// The run on the store belongs to another job.
    #[error(
        "run {run} was started with a different job ({}). {}",
        joined(differences),
        remedy(run, differences)
    )]
    OtherJob {
        run: String,
        /// Each key with both values.
        differences: Vec<Difference>,
    },
    /// A run that is there cannot go on, or a new one cannot begin.
    #[error("run {run}: {reason}")]
    Unresumable {
        run: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// The run on the store was trained on other data.
    #[error(
        "run {run} was started on data with digest {began}, but {url} has {found}. Give it the same data, choose another --run, or start a new run from its weights with --fork {run}"
    )]
    OtherData {
        run: String,
        /// The data set now.
        url: String,
        /// The digest it was begun with.
        began: String,
        found: String,
    },
    /// The manifest of the data set is not the one that the run was begun with, though it lists the same cases.
    #[error(
        "manifest.json of {url} has digest {found}, and {began} when run {run} was started: it is damaged, was changed or prepared anew. Restore it from a copy, or start a new run from the run's weights with --fork {run}"
    )]
    OtherManifest {
        run: String,
        /// The data set.
        url: String,
        /// The digest of the manifest's bytes that the run was begun with.
        began: String,
        found: String,
    },
    /// No new run can begin from another one.
    #[error("cannot fork {run}: {reason}")]
    Fork {
        run: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// A run cannot be taken back to a checkpoint.
    #[error("cannot roll {run} back: {reason}")]
    Rollback {
        run: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// An object of the run cannot be read.
    #[error("{object} of run {run} cannot be read: {reason}")]
    Damaged {
        run: String,
        object: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no run at the place named.
    #[error("no run at {run}: it has no config.json")]
    NoRun { run: String },
    /// The address to serve on cannot be had.
    #[error("cannot serve on {address} ({reason}); choose another coordinator.listen")]
    Listen {
        address: String,
        /// What the system said.
        reason: String,
    },
    /// The address that others would be told cannot be used.
    #[error(
        "{reason}; give another with --advertise HOST or HOST:PORT (coordinator.advertise), or another --listen"
    )]
    Unusable { reason: String },
    /// Other hosts can reach it, and nobody would be asked who he is.
    #[error(
        "{address} can be reached from other hosts, and there are no keys to tell this run's processes from others: make \
         some with `fratmae keys make DIR`, and give --keys DIR here and to every worker; --keys none lets everybody in"
    )]
    Keyless { address: String },
    /// A live coordinator leads the run.
    #[error(
        "run {run} is led by the coordinator at {address}, which is alive (step {step}); it was left alone: see `fratmae status {run}`, or replace it with --take-over"
    )]
    Led {
        run: String,
        address: String,
        /// How far it is.
        step: u64,
    },
    /// The run on the store has checkpoints of another job, and none of this one.
    #[error(
        "run {run} holds checkpoints of another job and none of this one: {reason}; restore its config.json and its job, or give the new job another run.url"
    )]
    OtherCheckpoints { run: String, reason: String },
    /// The run was begun by a version that knows more.
    #[error(
        "run {run} was begun by {version}, which knows a setting that this one ({ours}) does not: {reason}; use the version that began it"
    )]
    Newer {
        run: String,
        /// The version that began it.
        version: String,
        ours: String,
        reason: String,
    },
    /// Nobody answers where a coordinator was to be asked.
    #[error("no coordinator answers at {address}: {reason}")]
    Unanswered {
        address: String,
        /// What the network or whoever listens there said.
        reason: String,
    },
    /// A worker process cannot be started.
    #[error("cannot start {program} as a worker")]
    Launch {
        program: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A worker process ended before it registered.
    #[error("a worker process ended with {status} before it registered; its own message says why")]
    WorkerExited { status: String },
    /// The run cannot go on.
    #[error("{reason}")]
    Failed { reason: String },
    /// The store holds up a run that was asked to stop.
    #[error("the run's store does not answer")]
    Unresponsive,
    /// Figures cannot be written.
    #[error("cannot encode {object}: {reason}")]
    Encode {
        /// What was to be written.
        object: String,
        reason: String,
    },
    /// Checkpoints or journal.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The data set.
    #[error(transparent)]
    Data(#[from] DataSetError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn joined(differences: &[Difference]) -> String {
    let texts: Vec<_> = differences.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// What to do about a job that differs: only a network of the same shape can take the run's weights.
fn remedy(run: &str, differences: &[Difference]) -> String {
    if differences.iter().any(Difference::changes_shape) {
        return "Restore these values, or choose another --run".to_owned();
    }
    format!(
        "Restore these values, choose another --run, or start a new run from its weights with --fork {run}"
    )
}

impl CoordinatorError {
    /// What a failing encoder says of an object.
    pub(crate) fn encoding<E: Display>(object: impl Into<String>) -> impl FnOnce(E) -> Self {
        let object = object.into();
        move |error| Self::Encode {
            object,
            reason: error.to_string(),
        }
    }

    /// What the end of a coordinator by this error means for whoever started it.
    #[must_use]
    pub fn parting(&self) -> Parting {
        match self {
            Self::OtherJob { .. }
            | Self::OtherData { .. }
            | Self::OtherManifest { .. }
            | Self::OtherCheckpoints { .. }
            | Self::Newer { .. }
            | Self::Keyless { .. } => Parting::Refused,
            // Another coordinator leads it.
            Self::Led { .. } => Parting::Replaced,
            Self::Checkpoint(error) if error.action() == Action::Fenced => Parting::Replaced,
            Self::Store(error) | Self::Checkpoint(CheckpointError::Store(error))
                if error.is_transient() =>
            {
                Parting::Replaced
            }
            _ => Parting::Failed,
        }
    }

    /// Whether its run is still there for it to write to.
    pub(crate) fn spares_run(&self) -> bool {
        let is_removed = matches!(self, Self::Checkpoint(CheckpointError::Removed { .. }));
        !is_removed && !self.is_its_own()
    }

    /// Whether the trouble is this coordinator's alone, so that another one can lead the same workers on: it was taken
    /// the place of, or it cannot read or write its store.
    pub(crate) fn is_its_own(&self) -> bool {
        match self {
            Self::Store(_) | Self::Checkpoint(CheckpointError::Store(_)) => true,
            Self::Checkpoint(error) => error.action() == Action::Fenced,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> StoreError {
        StoreError::Other {
            url: "/run/journal/1.json".to_owned(),
            reason: "Too many open files".to_owned(),
        }
    }

    #[test]
    fn a_store_that_fails_a_coordinator_is_no_reason_for_its_workers_to_end() {
        assert!(CoordinatorError::Store(store()).is_its_own());
        let journal = CheckpointError::Store(store());
        assert!(CoordinatorError::Checkpoint(journal).is_its_own());
    }

    #[test]
    fn a_verdict_and_a_damaged_journal_end_everybody() {
        let reason = "the weights differ".to_owned();
        assert!(!CoordinatorError::Failed { reason }.is_its_own());
        let object = "/run/journal/1.json".to_owned();
        assert!(!CoordinatorError::Checkpoint(CheckpointError::Gap { object }).is_its_own());
    }
}
