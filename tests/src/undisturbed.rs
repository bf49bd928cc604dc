//! What a job comes to when nothing disturbs it: the measure of every disturbed run.

use std::path::PathBuf;

use crate::job::{Job, losses};
use crate::scratch::scratch;

/// The weights and losses of a job that nothing disturbs.
#[derive(Debug)]
pub struct Undisturbed {
    /// The digest of the last weights.
    pub digest: String,
    losses: Vec<(u64, String)>,
}

impl Undisturbed {
    /// Runs the job that is made for the folder handed to it, with one worker.
    ///
    /// # Panics
    /// When the job fails.
    pub fn of(job: impl FnOnce(PathBuf) -> Job) -> Self {
        let folder = scratch();
        let job = job(folder.path().join("run")).workers(1);
        let digest = job.finish().digest().to_owned();
        Self {
            digest,
            losses: losses(job.run_url()),
        }
    }

    /// Checks that another run of the job came to these weights by these losses.
    ///
    /// # Panics
    /// When it did not.
    pub fn assert_reached(&self, job: &Job, digest: &str, what: &str) {
        assert_eq!(digest, self.digest, "{what}");
        assert_eq!(losses(job.run_url()), self.losses, "{what}");
    }
}
