//! What the coordinator answers when it is asked how far the run is.

use super::{FEW, Runtime, STATUS_EVERY, count};
use crate::history::HistoryRow;
use fratmae_protocol::pb;
use std::time::Instant;

impl Runtime {
    /// Puts the status where anybody may read it; with thousands of members that takes longer than an event.
    pub(crate) fn publish_status(&mut self) {
        let known = (
            self.cluster.phase(),
            self.cluster.generation(),
            self.cluster.n_registered(),
        );
        let is_due = self.published.elapsed() >= STATUS_EVERY;
        let is_news = self.status_of != Some(known) && self.cluster.n_registered() <= FEW;
        if is_due || is_news {
            self.status.send_replace(self.status_reply());
            self.published = Instant::now();
            self.status_of = Some(known);
        }
    }

    pub(super) fn steps_left(&self) -> u64 {
        let applied = self.cluster.applied_step().get();
        self.job.config.train.steps.saturating_sub(applied)
    }

    fn status_reply(&self) -> pb::StatusReply {
        let step_seconds = self.estimate.step_seconds();
        let newest = self.newest_row.as_ref();
        let batch = self.job.config.train.batch;
        pb::StatusReply {
            step_seconds,
            eta_s: step_seconds.map(|seconds| seconds * self.steps_left() as f64),
            generation: self.cluster.generation().get(),
            members: self.cluster.group_names(),
            step: self.cluster.applied_step().get(),
            last_step: self.job.config.train.steps,
            committed_step: self.cluster.newest().step().get(),
            loss: newest.map(HistoryRow::loss),
            samples_per_second: newest.and_then(|row| row.samples_per_second(batch)),
            run_id: self.run_file.run_id.clone(),
            fence: self.journal.fence().get(),
            standing_by: self.names_standing_by(),
            least_workers: count(self.job.config.workers.least()),
            most_workers: count(self.job.config.workers.count),
        }
    }
}
