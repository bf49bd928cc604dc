//! What can go wrong with checkpoints and the journal, each as one line that names the object and what to do.
//! Owns the wording and the action a failure asks for.

use fratmae_store::StoreError;

/// A failure to write or read a checkpoint or the journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object is not what was written.
    #[error("{object} is damaged: {reason}; restore it from a copy or delete its folder")]
    Damaged {
        object: String,
        /// How it is known.
        reason: String,
    },
    /// No manifest commits this checkpoint.
    #[error(
        "{object} does not exist, so this checkpoint was never committed; `checkpoint list` shows those that were"
    )]
    NotCommitted {
        /// The address the manifest would have.
        object: String,
    },
    /// A sound checkpoint that is another model's.
    #[error(
        "{object} does not fit the model: tensor {tensor} {reason}; use the config that wrote it"
    )]
    Mismatch {
        /// The part's or the checkpoint's address.
        object: String,
        /// The tensor's full name.
        tensor: String,
        reason: String,
    },
    /// The object is of a kind or version this build does not know.
    #[error("{object} was written by a newer version ({what}); use that version")]
    Newer {
        object: String,
        /// The version or kind found.
        what: String,
    },
    /// Another coordinator holds the run.
    #[error(
        "another coordinator ({address}, fence {fence}) has taken over this run; exiting ({object} is its record)"
    )]
    Fenced {
        /// The object that was found taken.
        object: String,
        fence: u64,
        /// Where the other serves, if the object says.
        address: String,
    },
    /// An object that should be ours holds something else.
    #[error(
        "{object} is already there with other contents: ranks have diverged or two runs share a folder; use a new run folder"
    )]
    Conflict { object: String },
    /// Several coordinators tried to take the run over at once.
    #[error(
        "{object} was taken again and again while this coordinator tried to take over; stop the others or try later"
    )]
    Contended {
        /// The first number that was lost.
        object: String,
    },
    /// A record of the journal is not what was written, and more were written after it.
    #[error(
        "{object} is damaged: {reason}; restore it from a copy, or move the folder `journal` of this run elsewhere: the \
         run then resumes from its newest checkpoint"
    )]
    DamagedRecord {
        object: String,
        /// How it is known.
        reason: String,
    },
    /// The run was deleted while it was led.
    #[error(
        "run {run} was removed while it was being trained ({object} is gone); restore it, or run the job again to start \
         from the beginning"
    )]
    Removed {
        run: String,
        /// The object that was found missing.
        object: String,
    },
    /// A sound checkpoint of another job.
    #[error(
        "{object} is of another job: its {what} is {found}, and this run's is {expected}; move its folder elsewhere, or use \
         the job that wrote it"
    )]
    Foreign {
        object: String,
        /// What tells the jobs apart.
        what: &'static str,
        found: String,
        expected: String,
    },
    /// The journal has a hole.
    #[error(
        "{object} is missing although later records exist; restore it from a copy, or move the folder `journal` of this \
         run elsewhere: the run then resumes from its newest checkpoint"
    )]
    Gap {
        /// The address of the missing record.
        object: String,
    },
    /// A thread that copies or writes checkpoints is not there.
    #[error("{reason}; start this worker again")]
    Thread {
        /// Which one, and what happened to it.
        reason: String,
    },
    /// What should be written contradicts itself.
    #[error("{object} cannot be written: {reason}; this is a defect, please report it")]
    Unwritable {
        /// The object's address or name.
        object: String,
        reason: String,
    },
}

/// What a failure asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The same call may succeed later.
    Retry,
    /// Another coordinator holds the run: stop writing, never retry.
    Fenced,
    /// Nothing but a person helps.
    Fatal,
}

impl CheckpointError {
    /// What this failure asks of its caller.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Self::Store(error) if error.is_transient() => Action::Retry,
            Self::Contended { .. } => Action::Retry,
            Self::Fenced { .. } => Action::Fenced,
            _ => Action::Fatal,
        }
    }

    /// Whether what was reported of a checkpoint's parts does not come together, so that it cannot be committed.
    #[must_use]
    pub const fn is_no_checkpoint(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Unwritable { .. })
    }

    /// The object that is damaged, if one is.
    #[must_use]
    pub fn object(&self) -> Option<&str> {
        match self {
            Self::Damaged { object, .. } => Some(object),
            _ => None,
        }
    }

    /// Whether an older checkpoint, or a journal without this record, may serve instead.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. }
                | Self::DamagedRecord { .. }
                | Self::NotCommitted { .. }
                | Self::Foreign { .. }
        )
    }
}

/// What it means that an object of a checkpoint cannot be read: one of another size or kind is not what was written.
pub(crate) fn unreadable(object: String, error: StoreError) -> CheckpointError {
    match error {
        StoreError::TooLarge { bytes, limit, .. } => {
            damaged(object, format!("it has {bytes} bytes, not {limit} at most"))
        }
        StoreError::OtherKind { reason, .. } => damaged(object, reason),
        error => error.into(),
    }
}

pub(crate) fn damaged(object: impl Into<String>, reason: impl ToString) -> CheckpointError {
    CheckpointError::Damaged {
        object: object.into(),
        reason: reason.to_string(),
    }
}
