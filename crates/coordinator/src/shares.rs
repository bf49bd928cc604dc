//! What ranks reported of their shares of a checkpoint, until its manifest is written.

use crate::job::{Job, RunFile};
use fratmae_checkpoint::{FORMAT_VERSION, Manifest, PartRecord, weights_root};
use fratmae_control::{Fence, Generation, Step};
use fratmae_protocol::pb;
use std::collections::BTreeMap;

/// Reports by (generation, step).
#[derive(Default)]
pub(crate) struct Shares {
    reports: BTreeMap<(u64, u64), Vec<pb::PartsWritten>>,
}

impl Shares {
    /// Keeps a rank's report; reports of older generations will never be asked for again.
    pub(crate) fn add(&mut self, report: pb::PartsWritten) {
        self.reports
            .retain(|(generation, _), _| *generation >= report.generation);
        self.reports
            .entry((report.generation, report.step))
            .or_default()
            .push(report);
    }

    /// The manifest over all parts reported for a step; its reports are forgotten.
    pub(crate) fn manifest(
        &mut self,
        job: &Job,
        run_file: &RunFile,
        fence: Fence,
        (generation, step): (Generation, Step),
        loss: f64,
    ) -> Manifest {
        let reports = self
            .reports
            .remove(&(generation.get(), step.get()))
            .unwrap_or_default();
        let parts: BTreeMap<u32, pb::Part> = reports
            .into_iter()
            .flat_map(|report| report.parts)
            .map(|part| (part.index, part))
            .collect();
        // Parts and the parameters in them are numbered in layout order.
        let weights_digest = weights_root(parts.values().map(|part| part.weights.as_slice()));
        Manifest {
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
        }
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
        shares.add(report(1, 10));
        shares.add(report(1, 20));
        shares.add(report(2, 20));
        assert_eq!(
            shares.reports.keys().copied().collect::<Vec<_>>(),
            [(2, 20)]
        );
    }
}
