//! What ranks reported of their shares of a checkpoint, until its manifest is written.

use crate::job::{Job, RunFile};
use fratmae_checkpoint::{FORMAT_VERSION, Manifest, PartRecord, weights_root};
use fratmae_control::{Fence, Generation, Step, WorkerId};
use fratmae_protocol::pb;
use std::collections::BTreeMap;

/// Reports by (generation, step).
#[derive(Default)]
pub(crate) struct Shares {
    reports: BTreeMap<(u64, u64), Vec<(WorkerId, pb::PartsWritten)>>,
}

/// Who reported which part, by its name.
pub(crate) type Writers = BTreeMap<String, WorkerId>;

impl Shares {
    /// Keeps a rank's report; reports of older generations will never be asked for again.
    pub(crate) fn add(&mut self, worker: WorkerId, report: pb::PartsWritten) {
        self.reports
            .retain(|(generation, _), _| *generation >= report.generation);
        self.reports
            .entry((report.generation, report.step))
            .or_default()
            .push((worker, report));
    }

    /// The manifest over all parts reported for a step, and who reported each; the reports are forgotten.
    pub(crate) fn manifest(
        &mut self,
        job: &Job,
        run_file: &RunFile,
        fence: Fence,
        (generation, step): (Generation, Step),
        loss: f64,
    ) -> (Manifest, Writers) {
        let reports = self
            .reports
            .remove(&(generation.get(), step.get()))
            .unwrap_or_default();
        let mut writers = Writers::new();
        let mut parts = BTreeMap::new();
        for (worker, report) in reports {
            for part in report.parts {
                writers.insert(part.name.clone(), worker);
                parts.insert(part.index, part);
            }
        }
        // Parts and the parameters in them are numbered in layout order.
        let weights_digest = weights_root(parts.values().map(|part| part.weights.as_slice()));
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            step: step.get(),
            generation: generation.get(),
            fence: fence.get(),
            parts: parts.into_values().map(record).collect(),
            weights_digest,
            samples_seen: run_file.samples_at(step.get(), job.config.train.batch),
            loss,
            config_digest: job.config.digest(),
            data_digest: run_file.data_digest.clone(),
            seed: job.config.run.seed,
        };
        (manifest, writers)
    }
}

fn record(part: pb::Part) -> PartRecord {
    PartRecord {
        index: part.index,
        name: part.name,
        bytes: part.bytes,
        digest: part.digest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_generation_forgets_older_reports() {
        let mut shares = Shares::default();
        let report = |generation, step| pb::PartsWritten {
            generation,
            step,
            ..Default::default()
        };
        let worker = WorkerId::new(0);
        shares.add(worker, report(1, 10));
        shares.add(worker, report(1, 20));
        shares.add(worker, report(2, 20));
        assert_eq!(
            shares.reports.keys().copied().collect::<Vec<_>>(),
            [(2, 20)]
        );
    }
}
