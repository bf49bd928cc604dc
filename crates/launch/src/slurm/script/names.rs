//! The names of a run's jobs, and what they say of a job.

use crate::Member;
use crate::slurm::queue::Task;

/// The names of a run's jobs.
pub(in crate::slurm) struct Names {
    pub(super) lead: String,
    pub(super) work: String,
}

impl Names {
    pub(in crate::slurm) fn of(run: &str) -> Self {
        Self {
            lead: format!("fratmae-{run}.lead"),
            work: format!("fratmae-{run}.work"),
        }
    }

    /// As `squeue` takes them.
    pub(in crate::slurm) fn all(&self) -> String {
        format!("{},{}", self.lead, self.work)
    }

    /// A task by the name of its log.
    pub(in crate::slurm) fn member(&self, task: &Task) -> Member {
        let kind = match task.name == self.lead {
            true => "lead",
            false => "work",
        };
        Member {
            name: format!("{kind}-{}", task.id),
            state: task.state,
            reason: task.reason.clone(),
            host: task.host.clone(),
        }
    }
}

/// The run that a job of this name belongs to, and what the job is in it.
pub(in crate::slurm) fn run_of(job: &str) -> Option<(&str, &str)> {
    let (run, kind) = job.strip_prefix("fratmae-")?.rsplit_once('.')?;
    matches!(kind, "lead" | "work").then_some((run, kind))
}
