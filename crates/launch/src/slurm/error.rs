//! Why Slurm did not do what it was asked to.

use std::path::PathBuf;

/// A failure at Slurm, in one line.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// A command is not there.
    #[error("cannot start {command} ({source}); call fratmae launch where Slurm's commands are")]
    Missing {
        /// The command.
        command: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A command failed.
    #[error("{command} failed: {reason}")]
    Failed {
        /// The command.
        command: &'static str,
        /// What it said.
        reason: String,
    },
    /// A command does not end.
    #[error("{command} has not answered in {seconds} s; the cluster's controller may be down")]
    Silent {
        /// The command.
        command: &'static str,
        /// How long it had.
        seconds: u64,
    },
    /// A file of the run.
    #[error(
        "cannot write {path} ({source}); set launch.slurm.folder to a folder that all machines see"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Its keys cannot be made.
    #[error(transparent)]
    Keys(#[from] fratmae_trust::TrustError),
    /// It is launched already.
    #[error("the run {name} is launched already (job {job}); `fratmae launch stop` ends it")]
    Launched {
        /// The name of the run.
        name: String,
        /// One of its jobs.
        job: String,
    },
    /// It has no workers to change.
    #[error("no worker of the run {name} is in the queue; launch it again")]
    Gone {
        /// The name of the run.
        name: String,
    },
    /// One job for all cannot grow.
    #[error("launch.slurm.layout = \"allocation\" has a fixed size; launch the run with \"array\"")]
    Fixed,
    /// Too many or none.
    #[error(
        "{workers} workers are not from 1 to {most} (workers.count when the run was launched); `fratmae launch stop` stops it"
    )]
    Workers {
        /// How many were asked for.
        workers: usize,
        /// How many tasks the array has.
        most: usize,
    },
    /// No log.
    #[error(
        "{path} has no log of {member}; logs are in launch.slurm.folder, which must be the one that was launched with"
    )]
    NoLog {
        /// The folder.
        path: PathBuf,
        /// Whose.
        member: String,
    },
}
